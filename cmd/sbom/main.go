// Command sbom writes what an envseal program is made of as a CycloneDX 1.6 document (https://cyclonedx.org/docs/1.6/json/), from the build information that the Go linker put
// into it: for any system's program, on any system, and the same bytes for the same program.
//
//	go run ./cmd/sbom bin/envseal docs/dependencies.md v1.0.0 > envseal.cdx.json
//
// The version may be left out. It has to be told because the build information has no linker flags where paths are trimmed.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	args := append(os.Args[1:], "")
	if len(args) != 3 && len(args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: sbom PROGRAM DEPENDENCIES.md [VERSION] > OUT")
		os.Exit(2)
	}
	if err := run(os.Stdout, args[0], args[1], args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "sbom: %v\n", err)
		os.Exit(1)
	}
}

// run writes the document of one program. An empty version stands for the module's own. A module without a known licence is an error.
func run(w io.Writer, program, dependencies, version string) error {
	raw, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	if version == "" {
		version = info.Main.Version
	}
	text, err := os.ReadFile(dependencies)
	if err != nil {
		return err
	}
	b, err := describe(info, version, sha256.Sum256(raw), licencesIn(string(text)))
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	out, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(out, '\n'))
	return err
}
