package cmd

import (
	"os"

	"github.com/envseal/envseal/kmsclient/keystore"
	"github.com/urfave/cli/v2"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "write a backup of the whole keystore",
		Description: "The backup is a keystore file: put in place, or named with --keystore, it works. It is protected as the keystore is, so that the same\n" +
			"passphrase or identity file opens it, unless another protection is chosen.",
		Flags: flags([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE` (mode 0600); - is stdout"},
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "replace an existing FILE"},
			&cli.StringSliceFlag{Name: "to", Usage: "protect it for this age `RECIPIENT`, age1... (repeatable: any one opens it)"},
			&cli.BoolFlag{Name: "new-passphrase", Usage: "protect it by another passphrase, which is asked for"},
			&cli.StringFlag{Name: "new-passphrase-file", Usage: "protect it by the passphrase in the first line of `FILE`"},
			&cli.BoolFlag{Name: "plaintext-insecure", Usage: "write the keys in the clear"},
		}, storeFlags()),
		Action: onStore(0, 0, exportKeystore),
	}
}

func exportKeystore(c *cli.Context, store *keystore.Store) error {
	target := c.String("output")
	if target == "" {
		return fail(exitUsage, "name the backup with -o FILE; -o - is stdout", "no output given")
	}
	o := keystore.ExportOptions{Recipients: c.StringSlice("to"), PlaintextInsecure: c.Bool("plaintext-insecure")}
	var err error
	switch file := c.String("new-passphrase-file"); {
	case file != "":
		o.Passphrase, err = firstLine(file)
	case c.Bool("new-passphrase"):
		o.Passphrase, err = readPassphrase("Passphrase of the backup: ", true)
	}
	if err != nil {
		return err
	}
	defer clear(o.Passphrase)
	var out sink
	if target == "-" {
		out, err = stdoutOutput(true) // -o - means it
	} else {
		out, err = createOutput(target, outputOptions{force: c.Bool("force"), perm: os.FileMode(0o600), inputs: ownFiles(c)})
	}
	if err != nil {
		return err
	}
	defer out.Abort()
	if err := store.Export(out, o); err != nil {
		return err
	}
	return out.Commit()
}
