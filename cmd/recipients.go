package cmd

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/urfave/cli/v2"
)

// keyIDFlag is -k of commands that make keys; see keyRefs for its default.
func keyIDFlag(usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: "key-id", Aliases: []string{"k"}, Category: catKeys, Usage: usage + ": key id, key ARN, alias/NAME, alias ARN, local:NAME [$ENVSEAL_KEY_ID]"}
}

func contextFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "encryption-context", Aliases: []string{"c"}, Category: catKeys, Usage: "k=v,k2=v2, a JSON object, or file://PATH (repeatable); authenticated, not secret [$ENVSEAL_ENCRYPTION_CONTEXT]"}
}

// keyRefs are the keys of -k. ENVSEAL_KEY_ID is one only where the command line names nobody to seal for: it must not add a call to KMS to `encrypt -r`.
func keyRefs(c *cli.Context) []string {
	refs := c.StringSlice("key-id")
	named := len(refs) > 0 || len(c.StringSlice("recipient")) > 0 || c.String("data-key") != ""
	if ref := os.Getenv("ENVSEAL_KEY_ID"); !named && ref != "" {
		return []string{ref}
	}
	return refs
}

// contextOf is the encryption context of -c, or that of the environment.
func contextOf(c *cli.Context) (format.Context, error) {
	args := c.StringSlice("encryption-context")
	if text := os.Getenv("ENVSEAL_ENCRYPTION_CONTEXT"); len(args) == 0 && text != "" {
		args = []string{text}
	}
	return parseContext(args)
}

// pairRecipients reads the pair files of -r. It asks no key service.
func pairRecipients(names []string) ([]envelope.FileRecipient, error) {
	var all []envelope.FileRecipient
	for _, name := range names {
		text, err := readKeyFile(name, "-r")
		if err != nil && looksLikeKey(name) {
			return nil, fail(exitUsage, "name a KMS key with -k "+shellWord(name)+"; -r takes the pair file that `envseal key-pair` makes", "%w", err)
		}
		if err != nil {
			return nil, err
		}
		f, err := format.ParsePairFile(text)
		if err != nil {
			return nil, keyFileError(name, "envseal key-pair -k KEY -o FILE", err)
		}
		r, err := keyring.NewPairRecipient(f)
		if err != nil {
			return nil, fail(exitDamaged, "get the file again from where it was made, with `envseal key-pair`", "%s: %w", shown(name), err)
		}
		all = append(all, r)
	}
	return all, nil
}

// readKeyFile reads a small file that a flag names, which may be a pipe, but not standard input: that is for data.
func readKeyFile(name, flag string) ([]byte, error) {
	if name == "" || name == "-" {
		return nil, fail(exitUsage, "", "%s takes the name of a file", flag)
	}
	in, err := openInput(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(io.LimitReader(in, format.MaxKeyFile+1))
}

// keyFileError says what to do about a data key file or pair file that cannot be read. made is the command that makes one.
func keyFileError(name, made string, err error) error {
	code, hint := exitOther, ""
	switch {
	case errors.Is(err, format.ErrVersion):
		code, hint = exitNotEnvseal, "a newer envseal made this file: upgrade to use it"
	case errors.Is(err, format.ErrNotKeyFile):
		code, hint = exitNotEnvseal, "make one with `"+made+"`"
	case errors.Is(err, format.ErrTruncated):
		code, hint = exitDamaged, "the end is missing: copy it again from its source, or make another with `"+made+"`"
	case errors.Is(err, format.ErrDamaged):
		code, hint = exitDamaged, "it is not as it was made: copy it again from its source, or make another with `"+made+"`"
	}
	return fail(code, hint, "%s: %w", shown(name), err)
}

// sealedFor names the key that opens a slot, for -v.
func sealedFor(s format.Slot) string {
	if k, err := s.KMS(); err == nil {
		return k.KeyID
	}
	if p, err := s.Pair(); err == nil {
		return fmt.Sprintf("key pair %s of %s, public key %s", p.Scheme, p.KeyID, hex.EncodeToString(p.PublicKeyID[:]))
	}
	return s.Type.String()
}

// writeKeyFile writes what work makes, a data key file or pair file, which hold nothing secret, to -o or to standard output. A file that cannot be written is refused before
// work asks KMS for anything.
func writeKeyFile(c *cli.Context, work func() (text []byte, err error)) error {
	target := c.String("output")
	if target == "" || target == "-" {
		text, err := work()
		if err == nil {
			_, err = stdoutWriter().Write(text)
		}
		return err
	}
	out, err := createOutput(target, outputOptions{force: c.Bool("force"), perm: 0o666 &^ umask(), inputs: ownFiles(c)})
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

// keyFileFlags are those of the commands that write such files.
func keyFileFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: catFiles, Usage: "write to `FILE` (default: stdout)"},
		&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Category: catFiles, Usage: "replace an existing FILE"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: catOutput, Usage: "errors only"},
	}
}
