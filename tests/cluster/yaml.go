package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// yamlToJSON reads documents as kubectl does and writes each as one line of JSON, or {"error": ...} for a broken one.
func yamlToJSON(in io.Reader, out io.Writer) error {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(in))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		line, err := yaml.YAMLToJSON(document)
		if err != nil {
			if line, err = json.Marshal(map[string]string{"error": err.Error()}); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(out, "%s\n", line); err != nil {
			return err
		}
	}
}
