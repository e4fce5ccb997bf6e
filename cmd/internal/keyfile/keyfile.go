// Package keyfile is envseal data-key and envseal key-pair, which have a key service make a key and
// write a small file with it. Such a file holds nothing secret: neither command ever sees, let
// alone writes, a key in the clear. Start at options.run.
package keyfile

import (
	"context"
	"slices"

	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
)

// Command is envseal data-key or envseal key-pair, whichever has the name.
func Command(name string) *cli.Command {
	c, read := dataKeyCommand()
	if name != c.Name {
		c, read = keyPairCommand()
	}
	c.Flags = slices.Concat(c.Flags, []cli.Flag{
		flags.ContextFlag(), flags.GrantTokensFlag(),
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: flags.CatFiles,
			Usage: "write to `FILE` (default: stdout)"},
		&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Category: flags.CatFiles,
			Usage: "replace an existing FILE"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"},
			Category: flags.CatOutput, Usage: "errors only"},
	}, flags.AWSFlags(), flags.StoreFlags())
	c.Action = func(c *cli.Context) error {
		if err := flags.CheckArgs(c, 0, 0); err != nil {
			return err
		}
		o := readOptions(c)
		newFile, err := read(c, o)
		if err != nil {
			return err
		}
		return o.run(c.Context, newFile)
	}
	return c
}

// maker asks a key service of svc for a key, and makes a file of it. notes are what the user is
// told.
type maker func(ctx context.Context, svc *keys.Services, ec format.Context) (
	text []byte, notes []string, err error)

// readFunc finds on the command line what is to be made.
type readFunc func(c *cli.Context, o *options) (maker, error)

// options are what the commands have in common.
type options struct {
	flags.KeyOptions        // keys and context may be those of the environment
	output           string // "" and - are standard output
	force            bool   // replaces output
	quiet            bool
}

func readOptions(c *cli.Context) *options {
	o := &options{
		KeyOptions: flags.ReadKeyOptions(c),
		output:     c.String("output"), force: c.Bool("force"), quiet: c.Bool("quiet"),
	}
	o.KeyIDs, o.Context = keys.KeyRefs(o.KeyIDs), keys.ContextValues(o.Context)
	return o
}

// run makes a key file. An output that cannot be written is refused before a key service is asked.
func (o *options) run(ctx context.Context, newFile maker) error {
	ec, err := keys.ContextOf(o.Context)
	if err != nil {
		return err
	}
	keys.Harden(false)
	svc := keys.NewServices(o.AWS, o.Store)
	defer svc.Close()
	out, err := o.create()
	if err != nil {
		return err
	}
	if out != nil {
		defer out.Abort()
	}
	text, notes, err := newFile(ctx, svc, ec)
	if err != nil {
		return err
	}
	if out == nil {
		_, err = file.StdoutText().Write(text)
	} else if _, err = out.Write(text); err == nil {
		err = out.Commit()
	}
	if err != nil || o.quiet {
		return err
	}
	for _, n := range notes {
		ui.Note("%s", n)
	}
	return nil
}

// create starts the output. It is nil for standard output.
func (o *options) create() (*file.Output, error) {
	if o.output == "" || o.output == "-" {
		return nil, nil
	}
	return file.Create(o.output, file.Options{
		Force: o.force, Perm: 0o666 &^ file.Umask(),
		Inputs: file.Guard(o.Files()),
	})
}
