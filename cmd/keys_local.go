package cmd

import (
	"errors"
	"os"
	"strings"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keystore"
	"github.com/urfave/cli/v2"
)

// Keys of the embedded keystore that were not named as they are called.

// client finds the key service for a key reference and the reference as that service takes it. A name that the keystore does not have is refused at once, as it was typed.
func (s *services) client(ref string) (kmsclient.Client, string, error) {
	client, id, err := s.service(ref)
	if store, ok := client.(*keystore.Store); ok && err == nil {
		err = s.checkName(store, ref, id)
	}
	return client, id, err
}

// checkName refuses what is no alias of the store.
func (s *services) checkName(store *keystore.Store, ref, id string) error {
	if !strings.HasPrefix(id, "alias/") {
		return nil
	}
	if _, err := store.DescribeKey(s.c.Context, id, kmsclient.Options{}); !errors.Is(err, kmsclient.ErrNotFound) {
		return err
	}
	return noSuchName(s.c, store, ref, id)
}

// noKeyID refuses a reference that is a key file instead: AWS would be asked for a key of that name.
func noKeyID(ref string) error {
	if isKeyID(ref) {
		return nil
	}
	if k := keyFileAt(ref); k != nil {
		return fail(exitUsage, "write `"+k.use(ref)+"`", "%s: is no KMS key but an %s", shown(ref), k)
	}
	return nil
}

// looksLikeKey tells whether the name of a file is rather that of a key.
func looksLikeKey(name string) bool {
	for _, prefix := range []string{localPrefix, "alias/", "arn:"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return isKeyID(name)
}

// noSuchName is the error for the reference ref to the alias id, which store does not have.
func noSuchName(c *cli.Context, store *keystore.Store, ref, id string) error {
	hint := "`envseal keystore list-keys` shows what it has"
	if strings.Contains(ref, ",") {
		return fail(exitUsage, "give the flag once for each: -k "+strings.ReplaceAll(ref, ",", " -k "), "%s: a key is a single one", shown(ref))
	}
	aliases, _ := store.ListAliases(c.Context, "")
	var names []string
	for _, a := range aliases {
		names = append(names, strings.TrimPrefix(a.Name, "alias/"))
	}
	if meant := near(strings.TrimPrefix(id, "alias/"), names); meant != "" {
		hint = "did you mean " + localPrefix + meant + "?"
	}
	path, err := keystorePath(c)
	if err != nil {
		return err
	}
	return fail(exitRefused, hint, "%s: keystore %s has no key of that name", shown(ref), shown(path))
}

// adviseLocal adds to an error of AWS, which could not be asked, that the embedded keystore has a key of the name.
func adviseLocal(c *cli.Context, err error) error {
	var said *reported
	if err == nil || errors.As(err, &said) || !neverAsked(err) {
		return err
	}
	name, sure := localMeant(c)
	if name == "" {
		return err
	}
	code, hint := explain(err)
	if hint != "" {
		hint += "; "
	}
	if hint += "the embedded keystore has a key of that name: " + localPrefix + name; !sure {
		hint = "a key of the embedded keystore is called " + localPrefix + name
	}
	return &exitError{code: code, err: err, hint: hint}
}

// neverAsked tells whether a call to AWS came to nothing because there was no Region or no credentials for it.
func neverAsked(err error) bool {
	var e *kmsclient.Error
	return errors.As(err, &e) && (errors.Is(e.Kind, kmsclient.ErrCredentials) || strings.HasPrefix(e.Message, "no Region"))
}

// localMeant is the name of the first key of the command line that the embedded keystore may have. It is sure where the keystore opens without a question; nothing is asked for
// a hint.
func localMeant(c *cli.Context) (name string, sure bool) {
	path, err := keystorePath(c)
	if err != nil {
		return "", false
	}
	if _, err := os.Stat(path); err != nil {
		return "", false
	}
	store, err := keystore.Open(path, keystore.Options{
		IdentityFile: c.String("identity-file"),
		Passphrase:   func() ([]byte, error) { return nil, keystore.ErrNeedPassphrase },
	})
	if err == nil {
		defer store.Close()
	} else if !errors.Is(err, keystore.ErrNeedPassphrase) {
		return "", false
	}
	for _, ref := range namedKeys(c) {
		name := withoutService(ref)
		if !isAliasName("alias/"+name) || isKeyID(name) {
			continue
		}
		if store == nil {
			return name, false
		}
		if _, err := store.DescribeKey(c.Context, "alias/"+name, kmsclient.Options{}); err == nil {
			return name, true
		}
	}
	return "", false
}

// namedKeys are the keys that the command line or the environment names.
func namedKeys(c *cli.Context) (refs []string) {
	for _, flag := range []string{"key-id", "to", "add", "drop"} {
		if refs = append(refs, c.StringSlice(flag)...); c.String(flag) != "" {
			refs = append(refs, c.String(flag))
		}
	}
	return append(refs, os.Getenv("ENVSEAL_KEY_ID"))
}

// withoutService is ref without alias/, and without a local: that was not written so.
func withoutService(ref string) string {
	service := len(localPrefix) - 1
	if len(ref) > service+1 && strings.EqualFold(ref[:service], localPrefix[:service]) && strings.ContainsAny(ref[service:service+1], ":/.") {
		return ref[service+1:]
	}
	return strings.TrimPrefix(strings.TrimPrefix(ref, "alias:"), "alias/")
}

// typedKey is the id of a key as the command line names it.
func typedKey(c *cli.Context, id string) string {
	for _, ref := range namedKeys(c) {
		if name, ok := strings.CutPrefix(ref, localPrefix); ok && localName(name) == id {
			return ref
		}
	}
	return id
}
