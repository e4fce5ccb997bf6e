package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keystore"
	"github.com/urfave/cli/v2"
)

func keystoreCommand() *cli.Command {
	name := "NAME|KEY"
	return &cli.Command{
		Name:  "keystore",
		Usage: "the embedded key service: keys in an encrypted file, no AWS needed",
		Description: "Keys of the keystore are called local:NAME. The file is $ENVSEAL_KEYSTORE, or envseal/keystore in $XDG_DATA_HOME or ~/.local/share.\n" +
			"Keep a backup of it (`envseal keystore export`): without it, what it sealed cannot be opened.",
		Subcommands: []*cli.Command{
			initCommand(),
			{
				Name: "create-key", Usage: "make a key and alias/NAME, print its ARN", ArgsUsage: "[NAME]",
				Flags: flags([]cli.Flag{
					&cli.StringFlag{Name: "description", Usage: "`TEXT` to remember the key by"},
					&cli.BoolFlag{Name: "multi-region", Usage: "make a multi-Region key (its id starts with mrk-)"},
				}, storeFlags()),
				Action: onStore(0, 1, createKey),
			},
			{
				Name: "list-keys", Usage: "list keys, their states and aliases", Flags: flags([]cli.Flag{
					&cli.BoolFlag{Name: "json", Usage: "print JSON"},
				}, storeFlags()),
				Action: onStore(0, 0, listKeys),
			},
			{
				Name: "rotate-key", Usage: "new backing key for what is sealed from now on; old files still open", ArgsUsage: name, Flags: storeFlags(),
				Action: onStore(1, 1, onKey((*keystore.Store).RotateKeyOnDemand)),
			},
			{
				Name: "disable-key", Usage: "refuse the key until it is enabled again", ArgsUsage: name, Flags: storeFlags(),
				Action: onStore(1, 1, onKey((*keystore.Store).DisableKey)),
			},
			{
				Name: "enable-key", Usage: "allow the key again", ArgsUsage: name, Flags: storeFlags(),
				Action: onStore(1, 1, onKey((*keystore.Store).EnableKey)),
			},
			{
				Name: "alias", Usage: "let alias/NAME name a key, or no longer", ArgsUsage: "NAME [NAME|KEY]",
				UsageText: "envseal keystore alias NAME KEY       alias/NAME names KEY from now on\nenvseal keystore alias --delete NAME",
				Flags:     flags([]cli.Flag{&cli.BoolFlag{Name: "delete", Usage: "remove the alias; its key stays"}}, storeFlags()),
				Action:    onStore(1, 2, setAlias),
			},
			exportCommand(),
			serveCommand(),
		},
	}
}

// onKey resolves the key first: like KMS, these operations take a key id or ARN and no alias.
func onKey(do func(s *keystore.Store, ctx context.Context, keyID string) error) func(*cli.Context, *keystore.Store) error {
	return func(c *cli.Context, s *keystore.Store) error {
		meta, err := describeArg(c, s, c.Args().First())
		if err != nil {
			return err
		}
		return do(s, c.Context, meta.ARN)
	}
}

// describeArg describes the key that an argument names, with local: or without.
func describeArg(c *cli.Context, s *keystore.Store, arg string) (*kmsclient.KeyMetadata, error) {
	id := localName(strings.TrimPrefix(arg, localPrefix))
	meta, err := s.DescribeKey(c.Context, id, kmsclient.Options{})
	if errors.Is(err, kmsclient.ErrNotFound) && strings.HasPrefix(id, "alias/") {
		return nil, noSuchName(c, s, arg, id)
	}
	return meta, err
}

func keyArg(c *cli.Context) string { return strings.TrimPrefix(c.Args().First(), localPrefix) }

// onStore makes an action of do, which gets the opened keystore; the command takes from least to most arguments.
func onStore(least, most int, do func(*cli.Context, *keystore.Store) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if n := c.NArg(); n < least || n > most {
			return fail(exitUsage, "try `"+helpFor(c)+"`", "%s takes %s, %d given", c.Command.FullName(), counted(least, most), n)
		}
		harden(c)
		store, err := openKeystore(c)
		if err != nil {
			return err
		}
		defer store.Close()
		return do(c, store)
	}
}

func counted(least, most int) string {
	switch {
	case most == 0:
		return "no arguments"
	case least == most && most == 1:
		return "one argument"
	}
	return fmt.Sprintf("%d to %d arguments", least, most)
}

func initCommand() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "make a new, empty keystore",
		Description: "Asks for a passphrase, or reads it with --passphrase-file. With --no-passphrase, for unattended use, it makes an age identity file beside\n" +
			"the keystore: whoever can read both files has the keys.",
		Flags: flags([]cli.Flag{
			&cli.BoolFlag{Name: "no-passphrase", Usage: "make an age identity file, mode 0600, instead of asking for a passphrase"},
			&cli.BoolFlag{Name: "plaintext-insecure", Usage: "do not encrypt the keystore (throw-away tests only)"},
			&cli.IntFlag{Name: "work-factor", Usage: "scrypt cost of the passphrase, 16 to 18 (default 17)"},
		}, storeFlags()),
		Action: initKeystore,
	}
}

func initKeystore(c *cli.Context) error {
	if c.NArg() > 0 {
		return fail(exitUsage, "name the file with --keystore FILE or ENVSEAL_KEYSTORE", "keystore init takes no arguments")
	}
	harden(c)
	path, err := keystorePath(c)
	if err != nil {
		return err
	}
	o := keystore.CreateOptions{WorkFactor: c.Int("work-factor"), PlaintextInsecure: c.Bool("plaintext-insecure")}
	switch {
	case o.PlaintextInsecure:
		warn("keystore %s is not encrypted: whoever reads it has the keys", path)
	case c.Bool("no-passphrase"):
		o.IdentityFile = identityPath(c, path)
	default:
		// Nobody should choose a passphrase for a file that is not made in the end.
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s: %w", path, keystore.ErrExists)
		}
		if o.Passphrase, err = passphrase(c, "New passphrase of the keystore "+path+": ", true); err != nil {
			return err
		}
		defer clear(o.Passphrase)
	}
	if err := keystore.Create(path, o); err != nil {
		return err
	}
	note("keystore %s made", path)
	if o.IdentityFile != "" {
		note("its identity file %s (mode 0600) opens it without a passphrase: keep it as safe as the keys, and apart from backups of the keystore", o.IdentityFile)
	}
	return nil
}

func identityPath(c *cli.Context, path string) string {
	if p := c.String("identity-file"); p != "" {
		return filepath.Clean(p)
	}
	return path + ".identity"
}

// isAliasName is KMS's rule for the name of an alias that users may make (API reference, CreateAlias).
func isAliasName(alias string) bool {
	name, ok := strings.CutPrefix(alias, "alias/")
	return ok && len(name) >= 1 && len(name) <= 250 && consistsOf(name, lettersAndDigits+"/_-") && !strings.HasPrefix(name, "aws/")
}

func createKey(c *cli.Context, s *keystore.Store) error {
	alias := ""
	if name := keyArg(c); name != "" {
		alias = "alias/" + strings.TrimPrefix(name, "alias/")
		if !isAliasName(alias) {
			return fail(exitUsage, "a name has letters, digits, and / _ -, at most 250", "%s: not a name for a key", shown(name))
		}
		if meta, err := s.DescribeKey(c.Context, alias, kmsclient.Options{}); err == nil {
			return fail(exitOther, "choose another name, or rotate the key: envseal keystore rotate-key "+name, "%s exists already: %s", alias, meta.ARN)
		}
	}
	meta, err := s.CreateKey(c.Context, kmsclient.CreateKeyInput{Description: c.String("description"), MultiRegion: c.Bool("multi-region")})
	if err != nil {
		return err
	}
	if alias != "" {
		if err := s.CreateAlias(c.Context, alias, meta.KeyID); err != nil {
			return fmt.Errorf("key %s is made, but not its alias: %w", meta.ARN, err)
		}
	}
	_, err = fmt.Fprintln(stdoutWriter(), meta.ARN)
	return err
}

// listedKey is a row of list-keys.
type listedKey struct {
	KeyID    string `json:"KeyId"`
	ARN      string `json:"KeyArn"`
	KeyState string
	Created  string `json:"CreationDate"`
	Aliases  []string
}

func listKeys(c *cli.Context, s *keystore.Store) error {
	keys, err := s.ListKeys(c.Context)
	if err != nil {
		return err
	}
	rows := []listedKey{}
	for _, k := range keys {
		row, err := describeListed(c, s, k.ARN)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if c.Bool("json") {
		enc := json.NewEncoder(stdoutWriter())
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"Keys": rows})
	}
	w := tabwriter.NewWriter(stdoutWriter(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ALIASES\tSTATE\tCREATED\tARN")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", orDash(strings.Join(r.Aliases, ",")), r.KeyState, r.Created, r.ARN)
	}
	return w.Flush()
}

func describeListed(c *cli.Context, s *keystore.Store, arn string) (listedKey, error) {
	meta, err := s.DescribeKey(c.Context, arn, kmsclient.Options{})
	if err != nil {
		return listedKey{}, err
	}
	aliases, err := s.ListAliases(c.Context, meta.KeyID)
	if err != nil {
		return listedKey{}, err
	}
	row := listedKey{KeyID: meta.KeyID, ARN: meta.ARN, KeyState: meta.KeyState, Created: meta.CreationDate.UTC().Format("2006-01-02"), Aliases: []string{}}
	for _, a := range aliases {
		row.Aliases = append(row.Aliases, a.Name)
	}
	return row, nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func setAlias(c *cli.Context, s *keystore.Store) error {
	alias := "alias/" + strings.TrimPrefix(keyArg(c), "alias/")
	if c.Bool("delete") {
		if c.NArg() != 1 {
			return fail(exitUsage, "", "--delete takes the alias alone")
		}
		return s.DeleteAlias(c.Context, alias)
	}
	if c.NArg() != 2 {
		return fail(exitUsage, "try `envseal keystore alias NAME KEY`", "the key for %s is missing", alias)
	}
	meta, err := describeArg(c, s, c.Args().Get(1))
	if err != nil {
		return err
	}
	if _, err := s.DescribeKey(c.Context, alias, kmsclient.Options{}); err == nil {
		return s.UpdateAlias(c.Context, alias, meta.KeyID)
	}
	return s.CreateAlias(c.Context, alias, meta.KeyID)
}
