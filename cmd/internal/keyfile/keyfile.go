// Package keyfile is envseal data-key and envseal key-pair, which make key files.
package keyfile

import (
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/keys"
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
	aws         flags.AWS
	store       flags.Store
}

func keyFileFlags() []cli.Flag {
	return flags.Join([]cli.Flag{
		flags.ContextFlag(), flags.GrantTokensFlag(),
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: flags.CatFiles, Usage: "write to `FILE` (default: stdout)"},
		&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Category: flags.CatFiles, Usage: "replace an existing FILE"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: flags.CatOutput, Usage: "errors only"},
	}, flags.AWSFlags(), flags.StoreFlags())
}

func readKeyFileOptions(c *cli.Context) keyFileOptions {
	return keyFileOptions{
		keyIDs:      keys.KeyRefs(c.StringSlice("key-id")),
		context:     c.StringSlice("encryption-context"),
		grantTokens: c.StringSlice("grant-tokens"),
		output:      c.String("output"),
		force:       c.Bool("force"),
		quiet:       c.Bool("quiet"),
		aws:         flags.ReadAWS(c),
		store:       flags.ReadStore(c),
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
	own := file.Guard(o.aws.Files(), flags.ContextFiles(o.context), o.store.Files())
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
