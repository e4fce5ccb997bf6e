package cmd

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"
)

// shells are those that completions can be written for.
func shells() []string { return []string{"bash", "zsh", "fish"} }

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a completion script for bash, zsh or fish",
		ArgsUsage: "bash|zsh|fish",
		UsageText: "envseal completion bash > /etc/bash_completion.d/envseal\n" +
			"envseal completion zsh > \"${fpath[1]}/_envseal\"\n" +
			"envseal completion fish > ~/.config/fish/completions/envseal.fish",
		Description: "The script completes commands, flags, the values of flags that have a fixed set of them, and files. It runs no program, and so asks no key service\n" +
			"and opens no keystore. For the running shell alone: source <(envseal completion bash), or envseal completion fish | source.",
		Action: runCompletion,
	}
}

func runCompletion(c *cli.Context) error {
	const install = "envseal completion bash > /etc/bash_completion.d/envseal"
	if n := c.NArg(); n != 1 {
		return fail(exitUsage, install, "completion takes the name of one shell, %d given: bash, zsh or fish", n)
	}
	var script string
	root := completionTree(newApp())
	switch shell := c.Args().First(); shell {
	case "bash":
		script = bashCompletion(root)
	case "zsh":
		script = zshCompletion(root)
	case "fish":
		script = fishCompletion(root)
	default:
		return fail(exitUsage, install, "no completion for the shell %s: bash, zsh or fish", shown(shell))
	}
	if _, err := io.WriteString(stdoutWriter(), script); err != nil {
		return fmt.Errorf("completion: %w", err)
	}
	return nil
}
