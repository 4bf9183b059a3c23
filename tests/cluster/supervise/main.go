// Command supervise runs one command for as long as its own standard input stays open.
//
// A test holds the other end of that pipe. However the test ends (done, panicked, killed), the pipe closes and the
// command is stopped, so that nothing is left running.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"

	"kubeproof.dev/testcluster/children"
)

func main() {
	log := flag.String("log", "", "file that takes the command's output")
	remove := flag.String("remove", "", "folder to remove when the pipe has closed and the command has stopped")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: supervise [--log FILE] [--remove FOLDER] -- COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	if err := supervise(*log, *remove, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "supervise:", err)
		os.Exit(1)
	}
}

func supervise(log, remove string, command []string) error {
	family := children.New()
	defer family.Stop()
	ended, err := family.Start(log, nil, command[0], command[1:]...)
	if err != nil {
		return err
	}
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return fmt.Errorf("%s ended by itself: %w (its output is in %s)", command[0], err, log)
		}
		return err
	case <-children.Closed(context.Background(), io.Reader(os.Stdin)):
		family.Stop()
		return os.RemoveAll(remove)
	}
}
