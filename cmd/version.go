package cmd

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
)

// version is set by the linker for releases (-ldflags "-X .../cmd.version=v1.0.0"); otherwise the module's version is used.
var version string

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:      "version",
		Usage:     "print the version",
		UsageText: "envseal version",
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return fail(exitUsage, "", "version takes no arguments")
			}
			_, err := fmt.Fprintf(stdoutWriter(), "envseal %s (format %d, %s, %s/%s)\n", versionText(), format.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
