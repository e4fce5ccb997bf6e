package keystore

import (
	"context"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/kmsclient/keystore"
	"github.com/urfave/cli/v2"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "write a backup of the whole keystore",
		Description: "The backup is a keystore file: put in place, or named with --keystore, it works. It is protected as the keystore is, so that the same\n" +
			"passphrase or identity file opens it, unless another protection is chosen.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"},
				Usage: "write to `FILE` (mode 0600); - is stdout"},
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "replace an existing FILE"},
			&cli.StringSliceFlag{Name: "to",
				Usage: "protect it for this age `RECIPIENT`, age1... (repeatable: any one opens it)"},
			&cli.BoolFlag{Name: "new-passphrase",
				Usage: "protect it by another passphrase, which is asked for"},
			&cli.StringFlag{Name: "new-passphrase-file",
				Usage: "protect it by the passphrase in the first line of `FILE`"},
			&cli.BoolFlag{Name: "plaintext-insecure", Usage: "write the keys in the clear"},
		},
		Action: onStore(0, 0, func(c *cli.Context) storeWork {
			return exportOptions{
				output:            c.String("output"),
				force:             c.Bool("force"),
				to:                c.StringSlice("to"),
				newPassphrase:     c.Bool("new-passphrase"),
				newPassphraseFile: c.String("new-passphrase-file"),
				plaintext:         c.Bool("plaintext-insecure"),
			}.run
		}),
	}
}

// exportOptions has the protection of the keystore if it names no other.
type exportOptions struct {
	output            string   // - is standard output
	force             bool     // replaces output
	to                []string // age recipients
	newPassphrase     bool     // is asked for
	newPassphraseFile string
	plaintext         bool // no protection
}

func (o exportOptions) run(_ context.Context, s opened) error {
	if o.output == "" {
		return exit.Errorf(exit.Usage, "name the backup with -o FILE; -o - is stdout", "no output given")
	}
	how := keystore.ExportOptions{Recipients: o.to, PlaintextInsecure: o.plaintext}
	var err error
	if o.newPassphrase || o.newPassphraseFile != "" {
		how.Passphrase, err = keys.Passphrase(o.newPassphraseFile, "Passphrase of the backup: ", true)
	}
	if err != nil {
		return err
	}
	defer clear(how.Passphrase)
	out, err := o.create(s.from)
	if err != nil {
		return err
	}
	defer out.Abort()
	if err := s.Export(out, how); err != nil {
		return err
	}
	return out.Commit()
}

func (o exportOptions) create(from flags.Store) (*file.Output, error) {
	if o.output == "-" {
		return file.Stdout(true) // -o - means it
	}
	own := file.Guard(file.NamedBy("new-passphrase-file", o.newPassphraseFile), from.Files())
	return file.Create(o.output, file.Options{Force: o.force, Perm: 0o600, Inputs: own})
}
