package keys

import (
	"context"
	"errors"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// looksLikeKey tells whether the name of a file is rather that of a key.
func looksLikeKey(name string) bool {
	return strings.HasPrefix(name, LocalPrefix) || strings.HasPrefix(name, "alias/") ||
		strings.HasPrefix(name, "arn:") || isKeyID(name)
}

// refuseKeyFile refuses a reference that is a key file instead: AWS would be asked for a key of
// that name.
func refuseKeyFile(ref string) error {
	if isKeyID(ref) {
		return nil
	}
	if k := KeyFileAt(ref); k != nil {
		return exit.Errorf(exit.Usage, "write `"+k.Use(ref)+"`",
			"%s: is no KMS key but an %s", ui.Shown(ref), k)
	}
	return nil
}

// noSuchName is the error for the reference ref to the alias id, which the keystore does not have.
func noSuchName(ctx context.Context, o flags.Store, store *keystore.Store, ref, id string) error {
	hint := "`envseal keystore list-keys` shows what it has"
	if strings.Contains(ref, ",") {
		return exit.Errorf(exit.Usage,
			"give the flag once for each: -k "+strings.ReplaceAll(ref, ",", " -k "),
			"%s: a key is a single one", ui.Shown(ref))
	}
	aliases, _ := store.ListAliases(ctx, "")
	var names []string
	for _, a := range aliases {
		names = append(names, strings.TrimPrefix(a.Name, "alias/"))
	}
	if meant := flags.Near(strings.TrimPrefix(id, "alias/"), names); meant != "" {
		hint = "did you mean " + LocalPrefix + meant + "?"
	}
	path, err := o.Path()
	if err != nil {
		return err
	}
	return exit.Errorf(exit.Refused, hint,
		"%s: keystore %s has no key of that name", ui.Shown(ref), ui.Shown(path))
}

// AdviseLocal adds to an error of AWS, which could not be asked, that the embedded keystore has a
// key of the name. refs are the keys of the command line.
func AdviseLocal(ctx context.Context, refs []string, o flags.Store, err error) error {
	var said *exit.Reported
	if err == nil || errors.As(err, &said) || !neverAsked(err) {
		return err
	}
	name, sure := localMeant(ctx, refs, o)
	if name == "" {
		return err
	}
	code, hint := exit.Explain(err)
	if hint != "" {
		hint += "; "
	}
	if hint += "the embedded keystore has a key of that name: " + LocalPrefix + name; !sure {
		hint = "a key of the embedded keystore is called " + LocalPrefix + name
	}
	return &exit.Error{Code: code, Err: err, Hint: hint}
}

// neverAsked tells whether a call to AWS came to nothing because there was no Region or no
// credentials for it.
func neverAsked(err error) bool {
	var e *kmsclient.Error
	return errors.As(err, &e) &&
		(errors.Is(e.Kind, kmsclient.ErrCredentials) || strings.HasPrefix(e.Message, "no Region"))
}

// localMeant is the name of the first of refs that the embedded keystore may have. It is sure where
// the keystore opens without a passphrase: for a hint, none is asked for and none read.
func localMeant(ctx context.Context, refs []string, o flags.Store) (name string, sure bool) {
	o.PassphraseFile = ""
	store, err := OpenUnasked(o)
	if err == nil {
		defer store.Close()
	} else if !errors.Is(err, keystore.ErrNeedPassphrase) {
		return "", false
	}
	for _, ref := range refs {
		name := withoutService(ref)
		if !IsAliasName("alias/"+name) || isKeyID(name) {
			continue
		}
		if store == nil {
			return name, false
		}
		if _, err := store.DescribeKey(ctx, "alias/"+name, kmsclient.Options{}); err == nil {
			return name, true
		}
	}
	return "", false
}

// withoutService is ref without alias/, and without a local: that was not written so.
func withoutService(ref string) string {
	n := len(LocalPrefix)
	if len(ref) > n && strings.EqualFold(ref[:n-1], LocalPrefix[:n-1]) &&
		strings.Contains(":/.", ref[n-1:n]) {
		return ref[n:]
	}
	return strings.TrimPrefix(strings.TrimPrefix(ref, "alias:"), "alias/")
}
