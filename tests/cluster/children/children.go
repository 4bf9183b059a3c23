// Package children starts processes that never outlive the one that started them.
package children

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// grace is how long a process may take to stop by itself before it is killed.
const grace = 5 * time.Second

// Family is the set of processes that one supervisor started.
type Family struct {
	starts chan func()
	mu     sync.Mutex
	alive  []child
}

type child struct {
	command *exec.Cmd
	ended   chan struct{}
}

// New prepares an empty family.
//
// The kernel ends a child when the *thread* that started it ends (Pdeathsig), so one locked thread starts them all.
func New() *Family {
	family := &Family{starts: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for start := range family.starts {
			start()
		}
	}()
	return family
}

// Start runs a command with its output in the file log (none: discarded). The channel says when and how it ended.
func (f *Family) Start(log string, env []string, name string, args ...string) (<-chan error, error) {
	command := exec.Command(name, args...)
	command.Env = append(os.Environ(), env...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if log != "" {
		output, err := os.Create(log)
		if err != nil {
			return nil, err
		}
		defer output.Close()
		command.Stdout, command.Stderr = output, output
	}
	started := make(chan error)
	f.starts <- func() { started <- command.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c := child{command: command, ended: make(chan struct{})}
	f.mu.Lock()
	f.alive = append(f.alive, c)
	f.mu.Unlock()
	result := make(chan error, 1)
	go func() {
		result <- command.Wait()
		close(c.ended)
	}()
	return result, nil
}

// Stop ends every process, the last started first: politely, then by force.
func (f *Family) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.alive) - 1; i >= 0; i-- {
		c := f.alive[i]
		group := -c.command.Process.Pid
		_ = syscall.Kill(group, syscall.SIGTERM)
		select {
		case <-c.ended:
		case <-time.After(grace):
			_ = syscall.Kill(group, syscall.SIGKILL)
			<-c.ended
		}
	}
	f.alive = nil
}

// Closed says when the reader ends or the process is told to stop.
func Closed(ctx context.Context, reader io.Reader) <-chan struct{} {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	done := make(chan struct{})
	end := sync.OnceFunc(func() { stop(); close(done) })
	go func() { _, _ = io.Copy(io.Discard, reader); end() }()
	go func() { <-ctx.Done(); end() }()
	return done
}
