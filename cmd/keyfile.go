package cmd

import (
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/urfave/cli/v2"
)

// keyFileOptions are what the commands have in common that make a key file.
type keyFileOptions struct {
	keyIDs      []string // of -k, or the environment
	context     []string // values of -c
	grantTokens []string
	output      string // "" and - are standard output
	force       bool   // replaces output
	quiet       bool
	aws         awsOptions
	store       storeOptions
}

func keyFileFlags() []cli.Flag {
	return flags([]cli.Flag{
		contextFlag(), grantTokensFlag(),
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: catFiles, Usage: "write to `FILE` (default: stdout)"},
		&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Category: catFiles, Usage: "replace an existing FILE"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: catOutput, Usage: "errors only"},
	}, awsFlags(), storeFlags())
}

func readKeyFileOptions(c *cli.Context) keyFileOptions {
	return keyFileOptions{
		keyIDs:      keyRefs(c.StringSlice("key-id")),
		context:     c.StringSlice("encryption-context"),
		grantTokens: c.StringSlice("grant-tokens"),
		output:      c.String("output"),
		force:       c.Bool("force"),
		quiet:       c.Bool("quiet"),
		aws:         readAWS(c),
		store:       readStore(c),
	}
}

// write writes what work makes, a key file, which holds nothing secret, and then says its notes.
func (o *keyFileOptions) write(work func() (text []byte, notes []string, err error)) error {
	var notes []string
	err := o.writeText(func() (text []byte, err error) {
		text, notes, err = work()
		return text, err
	})
	if err != nil || o.quiet {
		return err
	}
	for _, n := range notes {
		ui.Note("%s", n)
	}
	return nil
}

// writeText refuses a file that cannot be written before work asks a key service for anything.
func (o *keyFileOptions) writeText(work func() ([]byte, error)) error {
	if o.output == "" || o.output == "-" {
		text, err := work()
		if err == nil {
			_, err = file.StdoutText().Write(text)
		}
		return err
	}
	own := file.Guard(o.aws.files(), contextFiles(o.context), o.store.files())
	out, err := file.Create(o.output, file.Options{
		Force: o.force, Perm: 0o666 &^ file.ReadUmask(), Inputs: own,
	})
	if err != nil {
		return err
	}
	defer out.Abort()
	text, err := work()
	if err != nil {
		return err
	}
	if _, err := out.Write(text); err != nil {
		return err
	}
	return out.Commit()
}
