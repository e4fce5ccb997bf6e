// Package keystore is envseal keystore: what is done with the embedded keystore itself, by commands
// that all open it first (onStore). It never prints a key. The keystore is kmsclient/keystore, and
// its server kmsclient/devserver.
package keystore

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keystore"
	"github.com/urfave/cli/v2"
)

// Command is envseal keystore with its subcommands.
func Command() *cli.Command {
	c := &cli.Command{
		Name:  "keystore",
		Usage: "the embedded key service: keys in an encrypted file, no AWS needed",
		Description: "Keys of the keystore are called local:NAME. The file is $ENVSEAL_KEYSTORE, or envseal/keystore in $XDG_DATA_HOME or ~/.local/share.\n" +
			"Keep a backup of it (`envseal keystore export`): without it, what it sealed cannot be opened.",
		Subcommands: []*cli.Command{
			initCommand(),
			createKeyCommand(),
			{
				Name: "list-keys", Usage: "list keys, their states and aliases",
				Flags: []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
				Action: onStore(0, 0, func(c *cli.Context) storeWork {
					return listKeysOptions{json: c.Bool("json")}.run
				}),
			},
			keyCommand("rotate-key", "new backing key for what is sealed from now on; old files still open",
				(*keystore.Store).RotateKeyOnDemand),
			keyCommand("disable-key", "refuse the key until it is enabled again",
				(*keystore.Store).DisableKey),
			keyCommand("enable-key", "allow the key again", (*keystore.Store).EnableKey),
			aliasCommand(),
			exportCommand(),
			serveCommand(),
		},
	}
	for _, sub := range c.Subcommands {
		sub.Flags = append(sub.Flags, flags.StoreFlags()...)
	}
	return c
}

// opened is the keystore that a command works on.
type opened struct {
	*keystore.Store
	from flags.Store // how it was found and opened
}

// storeWork is what a command does with the opened keystore.
type storeWork func(ctx context.Context, s opened) error

// onStore makes an action of the work that read finds on the command line, which has from least to
// most arguments.
func onStore(least, most int, read func(*cli.Context) storeWork) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := flags.CheckArgs(c, least, most); err != nil {
			return err
		}
		keys.Harden(false)
		from := flags.ReadStore(c)
		store, err := keys.OpenKeystore(from)
		if err != nil {
			return err
		}
		defer store.Close()
		return read(c)(c.Context, opened{store, from})
	}
}

// describe describes the key that an argument names, with local: or without.
func (s opened) describe(ctx context.Context, arg string) (*kmsclient.KeyMetadata, error) {
	return keys.DescribeLocal(ctx, s.from, s.Store, arg)
}

// keyCommand is a command that has do done to the key that its argument names. Like KMS, these
// operations take a key id or ARN and no alias, so the key is resolved first.
func keyCommand(
	name, usage string, do func(s *keystore.Store, ctx context.Context, keyID string) error,
) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "NAME|KEY",
		Action: onStore(1, 1, func(c *cli.Context) storeWork {
			return func(ctx context.Context, s opened) error {
				meta, err := s.describe(ctx, c.Args().First())
				if err != nil {
					return err
				}
				return do(s.Store, ctx, meta.ARN)
			}
		}),
	}
}

func initCommand() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "make a new, empty keystore",
		Description: "Asks for a passphrase, or reads it with --passphrase-file. With --no-passphrase, for unattended use, it makes an age identity file beside\n" +
			"the keystore: whoever can read both files has the keys.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "no-passphrase",
				Usage: "make an age identity file, mode 0600, instead of asking for a passphrase"},
			&cli.BoolFlag{Name: "plaintext-insecure",
				Usage: "do not encrypt the keystore (throw-away tests only)"},
			&cli.IntFlag{Name: "work-factor", Usage: "scrypt cost of the passphrase, 16 to 18 (default 17)"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return exit.Errorf(exit.Usage, "name the file with --keystore FILE or ENVSEAL_KEYSTORE",
					"keystore init takes no arguments")
			}
			return initOptions{
				noPassphrase: c.Bool("no-passphrase"),
				plaintext:    c.Bool("plaintext-insecure"),
				workFactor:   c.Int("work-factor"),
				store:        flags.ReadStore(c),
			}.run()
		},
	}
}

type initOptions struct {
	noPassphrase bool // an identity file opens it
	plaintext    bool // it is not encrypted
	workFactor   int  // of the passphrase; 0 stands for the default
	store        flags.Store
}

func (o initOptions) run() error {
	keys.Harden(false)
	path, err := o.store.Path()
	if err != nil {
		return err
	}
	how := keystore.CreateOptions{WorkFactor: o.workFactor, PlaintextInsecure: o.plaintext}
	switch {
	case o.plaintext:
		ui.Warn("keystore %s is not encrypted: whoever reads it has the keys", path)
	case o.noPassphrase:
		how.IdentityFile = o.store.IdentityPath(path)
	default:
		// Nobody should choose a passphrase for a file that is not made in the end.
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s: %w", path, keystore.ErrExists)
		}
		how.Passphrase, err = keys.Passphrase(o.store.PassphraseFile,
			"New passphrase of the keystore "+path+": ", true)
		if err != nil {
			return err
		}
		defer clear(how.Passphrase)
	}
	if err := keystore.Create(path, how); err != nil {
		return err
	}
	ui.Note("keystore %s made", path)
	if how.IdentityFile != "" {
		ui.Note("its identity file %s (mode 0600) opens it without a passphrase: keep it as safe as the keys, and apart from backups of the keystore", how.IdentityFile)
	}
	return nil
}

func createKeyCommand() *cli.Command {
	return &cli.Command{
		Name: "create-key", Usage: "make a key and alias/NAME, print its ARN", ArgsUsage: "[NAME]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "description", Usage: "`TEXT` to remember the key by"},
			&cli.BoolFlag{Name: "multi-region", Usage: "make a multi-Region key (its id starts with mrk-)"},
		},
		Action: onStore(0, 1, func(c *cli.Context) storeWork {
			return createKeyOptions{
				name:        strings.TrimPrefix(c.Args().First(), keys.LocalPrefix),
				description: c.String("description"),
				multiRegion: c.Bool("multi-region"),
			}.run
		}),
	}
}

type createKeyOptions struct {
	name        string // "" for a key without an alias
	description string
	multiRegion bool
}

func (o createKeyOptions) run(ctx context.Context, s opened) error {
	alias := ""
	if o.name != "" {
		alias = "alias/" + strings.TrimPrefix(o.name, "alias/")
		if !keys.IsAliasName(alias) {
			return exit.Errorf(exit.Usage, "a name has letters, digits, and / _ -, at most 250",
				"%s: not a name for a key", ui.Shown(o.name))
		}
		if meta, err := s.DescribeKey(ctx, alias, kmsclient.Options{}); err == nil {
			return exit.Errorf(exit.Other,
				"choose another name, or rotate the key: envseal keystore rotate-key "+o.name,
				"%s exists already: %s", alias, meta.ARN)
		}
	}
	meta, err := s.CreateKey(ctx, kmsclient.CreateKeyInput{
		Description: o.description, MultiRegion: o.multiRegion,
	})
	if err != nil {
		return err
	}
	if alias != "" {
		if err := s.CreateAlias(ctx, alias, meta.KeyID); err != nil {
			return fmt.Errorf("key %s is made, but not its alias: %w", meta.ARN, err)
		}
	}
	_, err = fmt.Fprintln(file.StdoutText(), meta.ARN)
	return err
}

type listKeysOptions struct{ json bool }

// listedKey is a row of list-keys.
type listedKey struct {
	KeyID    string `json:"KeyId"`
	ARN      string `json:"KeyArn"`
	KeyState string
	Created  string `json:"CreationDate"`
	Aliases  []string
}

func (o listKeysOptions) run(ctx context.Context, s opened) error {
	keys, err := s.ListKeys(ctx)
	if err != nil {
		return err
	}
	rows := []listedKey{}
	for _, k := range keys {
		row, err := describeListed(ctx, s, k.ARN)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if o.json {
		return ui.WriteIndented(file.StdoutText(), map[string]any{"Keys": rows})
	}
	w := tabwriter.NewWriter(file.StdoutText(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ALIASES\tSTATE\tCREATED\tARN")
	for _, r := range rows {
		aliases := cmp.Or(strings.Join(r.Aliases, ","), "-")
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", aliases, r.KeyState, r.Created, r.ARN)
	}
	return w.Flush()
}

func describeListed(ctx context.Context, s opened, arn string) (listedKey, error) {
	meta, err := s.DescribeKey(ctx, arn, kmsclient.Options{})
	if err != nil {
		return listedKey{}, err
	}
	aliases, err := s.ListAliases(ctx, meta.KeyID)
	if err != nil {
		return listedKey{}, err
	}
	row := listedKey{
		KeyID: meta.KeyID, ARN: meta.ARN, KeyState: meta.KeyState,
		Created: meta.CreationDate.UTC().Format("2006-01-02"), Aliases: []string{},
	}
	for _, a := range aliases {
		row.Aliases = append(row.Aliases, a.Name)
	}
	return row, nil
}

func aliasCommand() *cli.Command {
	return &cli.Command{
		Name: "alias", Usage: "let alias/NAME name a key, or no longer", ArgsUsage: "NAME [NAME|KEY]",
		UsageText: "envseal keystore alias NAME KEY       alias/NAME names KEY from now on\nenvseal keystore alias --delete NAME",
		Flags:     []cli.Flag{&cli.BoolFlag{Name: "delete", Usage: "remove the alias; its key stays"}},
		Action: onStore(1, 2, func(c *cli.Context) storeWork {
			return aliasOptions{args: c.Args().Slice(), delete: c.Bool("delete")}.run
		}),
	}
}

type aliasOptions struct {
	args   []string // the alias, and the key for it
	delete bool
}

func (o aliasOptions) run(ctx context.Context, s opened) error {
	name := strings.TrimPrefix(o.args[0], keys.LocalPrefix)
	alias := "alias/" + strings.TrimPrefix(name, "alias/")
	if o.delete {
		if len(o.args) != 1 {
			return exit.Errorf(exit.Usage, "", "--delete takes the alias alone")
		}
		return s.DeleteAlias(ctx, alias)
	}
	if len(o.args) != 2 {
		return exit.Errorf(exit.Usage, "try `envseal keystore alias NAME KEY`",
			"the key for %s is missing", alias)
	}
	meta, err := s.describe(ctx, o.args[1])
	if err != nil {
		return err
	}
	if _, err := s.DescribeKey(ctx, alias, kmsclient.Options{}); err == nil {
		return s.UpdateAlias(ctx, alias, meta.KeyID)
	}
	return s.CreateAlias(ctx, alias, meta.KeyID)
}
