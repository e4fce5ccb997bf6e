package flags

import (
	"fmt"
	"strconv"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/urfave/cli/v2"
)

// Flags of commands that work on files, be it one or a whole tree.

// The commands that work on files, by name.
const (
	Encrypt = "encrypt"
	Decrypt = "decrypt"
	Verify  = "verify"
	Rewrap  = "rewrap"
)

// Work are what a run over files is told.
type Work struct {
	Output    string // the file for a single input, - for stdout, "" for a file beside the input
	OutputDir string // the directory of outputs, "" for that of each input
	Force     bool   // outputs that exist are replaced
	Remove    bool   // each input is removed once its output is on the disk
	Suffix    string // the ending of sealed files
	NoSync    bool   // the disk is not waited for
	DryRun    bool   // it is said what would be done, and nothing is done
	FailFast  bool   // no further file is begun after a failure
	Jobs      int    // workers; 0 stands for one per core

	Recursive bool   // all files below directories are taken
	KeepLinks bool   // symbolic links in a tree are made again
	Update    bool   // what is up to date is left out
	Names     string // a file with the names, - for stdin, "" where they are arguments
	Reuse     int    // how many files one data key, or one Decrypt, is for; 0 where each has its own
	Log       string // the file that gets a line for each file, or fd:N; "" for none
	LogSums   bool   // with the SHA-256 of each sealed file

	Quiet          bool    // errors only
	Verbose        bool    // it is said what is done
	Progress       ui.Mode // when progress is shown
	AllowCoreDumps bool    // a core file may have the memory, keys included
}

// ReadWork reads [FileFlags], [TreeFlags], [ManyFlags] and [MessageFlags], as far as the command
// has them.
func ReadWork(c *cli.Context) (o Work, err error) {
	links := c.String("links")
	o = Work{
		Output:    c.String("output"),
		OutputDir: c.String("output-dir"),
		Force:     c.Bool("force"),
		Remove:    c.Bool("rm"),
		Suffix:    c.String("suffix"),
		NoSync:    c.Bool("no-sync"),
		DryRun:    c.Bool("dry-run"),
		FailFast:  c.Bool("fail-fast"),
		Jobs:      c.Int("jobs"),

		Recursive: c.Bool("recursive"),
		KeepLinks: links == linksKeep,
		Update:    c.Bool("update"),
		Names:     c.String("files0-from"),
		Reuse:     ReadOptional[int](c, "reuse-key"),
		Log:       c.String("log-json"),
		LogSums:   c.Bool("log-sha256"),

		Quiet:          c.Bool("quiet"),
		Verbose:        c.Bool("verbose"),
		AllowCoreDumps: c.Bool("allow-core-dumps"),
	}
	if o.Jobs < 0 || o.Jobs > 1024 {
		return o, exit.Errorf(exit.Usage, "", "-j %d is not a number of workers from 1 to 1024", o.Jobs)
	}
	if links != linksSkip && links != linksKeep && c.IsSet("links") {
		return o, exit.Errorf(exit.Usage, "skip or keep", "--links %s: no such way", ui.Shown(links))
	}
	o.Progress, err = ui.ParseMode(c.String("progress"))
	return o, err
}

// Files are those that no output may replace.
func (o Work) Files() []file.Needed { return file.NamedBy("files0-from", o.Names) }

// MessageFlags say what the user is told.
func MessageFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: CatOutput, Usage: "errors only"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: CatOutput,
			Usage: "say what is done"},
		OneOf(&cli.StringFlag{Name: "progress", Category: CatOutput, Value: "auto",
			Usage: "auto, always, never or json"}, string(ui.Auto), string(ui.Always),
			string(ui.Never), string(ui.Lines)),
		&cli.BoolFlag{Name: "allow-core-dumps", Category: CatOutput,
			Usage: "for debugging: let the system write memory, keys included, to a core file"},
	}
}

// FileFlags are those of commands that write a file for each input.
func FileFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: CatFiles,
			Usage: "write to `FILE`; - is stdout"},
		&cli.StringFlag{Name: "output-dir", Aliases: []string{"O"}, Category: CatFiles,
			Usage: "write into `DIR`, which is made if only the last part of its path is missing"},
		&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Category: CatFiles,
			Usage: "replace an existing output"},
		&cli.BoolFlag{Name: "rm", Category: CatFiles,
			Usage: "remove each input once its output is safely on the disk; those that --update leaves out stay, and a symbolic link or one of several hard links is refused unless -f is given"},
		SuffixFlag(),
		&cli.BoolFlag{Name: "no-sync", Category: CatFiles,
			Usage: "do not wait for the disk: for scratch data, which a power cut may lose"},
		&cli.BoolFlag{Name: "dry-run", Category: CatFiles,
			Usage: "say what would be done, check what can be checked, do nothing"},
		FailFastFlag(),
		JobsFlag(),
	}
}

// SuffixFlag is --suffix.
func SuffixFlag() cli.Flag {
	return &cli.StringFlag{Name: "suffix", Category: CatFiles, Value: ".sealed",
		Usage: "ending of sealed files"}
}

// JobsFlag is -j.
func JobsFlag() cli.Flag {
	return &cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Category: CatFiles,
		Usage: "how many `WORKERS` (default: one per core)"}
}

// TreeFlags are those of commands that work on whole trees and lists of files.
func TreeFlags() []cli.Flag {
	return append([]cli.Flag{
		RecursiveFlag("all files below the directory; with -O DIR its contents again below DIR, otherwise beside the files"),
		OneOf(&cli.StringFlag{Name: "links", Category: CatFiles, Value: linksSkip,
			Usage: "`WAY` with symbolic links in a tree, which are never followed: skip, or keep (with -O: made again as they are, their targets readable)"}, linksSkip, linksKeep),
		&cli.BoolFlag{Name: "update", Category: CatFiles,
			Usage: "leave out files whose output is there with the input's modification time and the right size; make the others again. rewrap --preserve-mtime leaves that time alone"},
	}, ManyFlags("once the file is on the disk under its name")...)
}

// RecursiveFlag is -R.
func RecursiveFlag(usage string) cli.Flag {
	return &cli.BoolFlag{Name: "recursive", Aliases: []string{"R"}, Category: CatFiles, Usage: usage}
}

// ManyFlags are those of all commands that work on many files, also of one that only reads them.
// logged says when a file gets its line in the log.
func ManyFlags(logged string) []cli.Flag {
	return []cli.Flag{
		Files0Flag(), reuseFlag(),
		&cli.StringFlag{Name: "log-json", Category: CatOutput,
			Usage: "append a JSON line for each file to `FILE`, or write it to descriptor fd:N, " + logged},
		&cli.BoolFlag{Name: "log-sha256", Category: CatOutput,
			Usage: "with --log-json: the SHA-256 of each sealed file, as sha256sum prints it"},
	}
}

// Files0Flag is --files0-from.
func Files0Flag() cli.Flag {
	return &cli.StringFlag{Name: "files0-from", Category: CatFiles,
		Usage: "take the names from `FILE`, each ended by a zero byte, as find -print0 writes them; - is stdin"}
}

// FailFastFlag is --fail-fast.
func FailFastFlag() cli.Flag {
	return &cli.BoolFlag{Name: "fail-fast", Category: CatFiles,
		Usage: "stop at the first file that fails"}
}

// ManyHelp is for commands that take several files.
const ManyHelp = "Several files and trees: goes on after a failure, lists the failed ones, and exits 3."

// TreeHelp is for commands that write trees.
const TreeHelp = ManyHelp +
	" Each file appears whole or not at all, and is on the disk before the run ends.\n" +
	"-R keeps names, modes, times and with -O empty directories. --update goes on where an interrupted run stopped.\n"

const (
	linksSkip = "skip"
	linksKeep = "keep"
)

const (
	defaultReuse = "1000"  // files under one data key
	maxReuse     = 1 << 31 // files
	reuseUsage   = "let one data key serve up to 1000 files, or as many as --reuse-key=FILES says: one KMS call for all of them, and whoever gets that key has all of them"
)

// reuseFlag is --reuse-key[=FILES].
func reuseFlag() cli.Flag {
	return OptionalValue(&cli.GenericFlag{Name: "reuse-key", Category: CatKeys, Usage: reuseUsage},
		defaultReuse, parseReuse)
}

// parseReuse reads how many files a data key is for.
func parseReuse(s string) (int, error) {
	files, err := strconv.ParseUint(s, 10, 32)
	if err != nil || files == 0 || files > maxReuse {
		return 0, fmt.Errorf("--reuse-key=FILES takes a number from 1 to %d", int64(maxReuse))
	}
	return int(files), nil
}

// The flags that give a command in the place of a file.
const (
	FromCommand = "from-command"
	ToCommand   = "to-command"
	ArgvMark    = "--" // their value where the command follows behind it
)

// Given is a flag, and whether it was given.
type Given struct {
	Flag string
	Yes  bool
}

// Exclude refuses what makes no sense together with the flag.
func Exclude(flag, why string, others ...Given) error {
	for _, other := range others {
		if other.Yes {
			return exit.Errorf(exit.Usage, "", "--%s and --%s exclude each other: %s", flag, other.Flag, why)
		}
	}
	return nil
}
