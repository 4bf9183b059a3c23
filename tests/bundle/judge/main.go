// judge reads one log commit with Go's own note and tlog packages: the checkpoint's signature, then the inclusion of
// the leaf. Usage: judge VERIFIER_KEY FILE
package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := judge(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(key, path string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, checkpoint, found := strings.Cut(string(data), "\n\n")
	if !found {
		return fmt.Errorf("no checkpoint")
	}
	opened, err := note.Open([]byte(checkpoint), note.VerifierList(verifier))
	if err != nil {
		return err
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return err
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return err
	}
	proof := strings.Split(head, "\n")
	if proof[0] != "c2sp.org/tlog-proof@v1" || lines[0] != verifier.Name() {
		return fmt.Errorf("header %q, origin %q", proof[0], lines[0])
	}
	leaf, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(proof[1], "extra "))
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(proof[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var record tlog.RecordProof
	for _, line := range proof[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		record = append(record, hash)
	}
	if err := tlog.CheckRecord(record, size, root, index, tlog.RecordHash(leaf)); err != nil {
		return err
	}
	fmt.Printf("entry %d of %d\n", index, size)
	return nil
}
