package cmd

import "github.com/urfave/cli/v2"

// treeFlags are those of commands that work on whole trees and lists of files.
func treeFlags() []cli.Flag {
	return append([]cli.Flag{
		recursiveFlag("all files below the directory; with -O DIR its contents again below DIR, otherwise beside the files"),
		oneOf(&cli.StringFlag{Name: "links", Category: catFiles, Value: linksSkip, Usage: "`WAY` with symbolic links in a tree, which are never followed: skip, or keep (with -O: made again as they are, their targets readable)"},
			linksSkip, linksKeep),
		&cli.BoolFlag{Name: "update", Category: catFiles, Usage: "leave out files whose output is there with the input's modification time and the right size; make the others again. rewrap --preserve-mtime leaves that time alone"},
	}, manyFlags("once the file is on the disk under its name")...)
}

func recursiveFlag(usage string) cli.Flag {
	return &cli.BoolFlag{Name: "recursive", Aliases: []string{"R"}, Category: catFiles, Usage: usage}
}

// manyFlags are those of all commands that work on many files, also of one that only reads them. logged says when a file gets its line in the log.
func manyFlags(logged string) []cli.Flag {
	return append([]cli.Flag{files0Flag(), reuseFlag()}, logFlags(logged)...)
}

const manyHelp = "Several files and trees: goes on after a failure, lists the failed ones, and exits 3."

const treeHelp = manyHelp + " Each file appears whole or not at all, and is on the disk before the run ends.\n" +
	"-R keeps names, modes, times and with -O empty directories. --update goes on where an interrupted run stopped.\n"

const (
	linksSkip = "skip"
	linksKeep = "keep"
)

// treeOptions are the flags of a run over many files.
type treeOptions struct {
	recursive bool
	keepLinks bool
	update    bool
	force     bool
	noSync    bool
	remove    bool
	dryRun    bool
	failFast  bool
	quiet     bool
	verbose   bool
	jobs      int
	outputDir string
	suffix    string
}

func newTreeOptions(c *cli.Context) (o treeOptions, err error) {
	o = treeOptions{
		recursive: c.Bool("recursive"),
		keepLinks: c.String("links") == linksKeep,
		update:    c.Bool("update"),
		force:     c.Bool("force"),
		noSync:    c.Bool("no-sync"),
		remove:    c.Bool("rm"),
		dryRun:    c.Bool("dry-run"),
		failFast:  c.Bool("fail-fast"),
		quiet:     c.Bool("quiet"),
		verbose:   c.Bool("verbose"),
		outputDir: c.String("output-dir"),
		suffix:    c.String("suffix"),
	}
	if o.suffix == "" {
		return o, fail(exitUsage, "", "--suffix is empty")
	}
	o.jobs, err = workers(c)
	return o, err
}
