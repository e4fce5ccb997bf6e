package cmd

import (
	"crypto/fips140"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
)

// version is set by the linker for releases (-ldflags "-X .../cmd.version=v1.0.0"); without it, the
// module's version is used.
var version string

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:      "version",
		Usage:     "print the version, and with --json what the program is made of",
		UsageText: "envseal version [--json]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json",
				Usage: "print JSON: the version, how the program was built, and the modules in it"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return exit.Errorf(exit.Usage, "", "version takes no arguments")
			}
			if c.Bool("json") {
				return writeBuild(file.StdoutText())
			}
			mode := ""
			if m := fipsModule(); m != "" {
				mode = ", FIPS 140-3 module " + m
			}
			_, err := fmt.Fprintf(file.StdoutText(), "envseal %s (format %d, %s, %s/%s%s)\n",
				versionText(), format.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, mode)
			return err
		},
	}
}

func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// fipsModule is the version of Go's FIPS 140-3 module if it is in use (GODEBUG=fips140=on or only),
// and otherwise empty. "latest" is the one of the Go release itself, which no laboratory has seen:
// GOFIPS140 chooses another when the program is built.
func fipsModule() string {
	if !fips140.Enabled() {
		return ""
	}
	return fips140.Version()
}

// build is what version --json prints.
type build struct {
	Version       string
	FormatVersion int
	GoVersion     string
	OS            string
	Arch          string
	FIPS140       string            `json:",omitempty"` // version of Go's module, if it is in use
	Settings      map[string]string // of go build
	Modules       []builtModule     // without envseal itself
}

// builtModule is a module in the program. Sum is its checksum in go.sum.
type builtModule struct {
	Path    string
	Version string
	Sum     string `json:",omitempty"`
}

func writeBuild(w io.Writer) error {
	b := build{
		Version: versionText(), FormatVersion: format.Version, GoVersion: runtime.Version(),
		OS: runtime.GOOS, Arch: runtime.GOARCH,
		FIPS140: fipsModule(), Settings: map[string]string{}, Modules: []builtModule{},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			b.Settings[s.Key] = s.Value
		}
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			b.Modules = append(b.Modules, builtModule{Path: m.Path, Version: m.Version, Sum: m.Sum})
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(b)
}
