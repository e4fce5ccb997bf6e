// Package keys leads from a reference on the command line to a service, a recipient or an identity.
// It knows encryption contexts and key files.
package keys

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// LocalPrefix marks a key of the embedded keystore on the command line.
const LocalPrefix = "local:"

const keyHint = "a key is a key id, a key ARN, alias/NAME, an alias ARN, or local:NAME for the embedded keystore"

// Services are the key services that a command may ask. Each is made when it is first needed, so
// that a command that needs none pays for none. It is safe for concurrent use.
type Services struct {
	awsOptions   flags.AWS
	storeOptions flags.Store

	mu       sync.Mutex
	aws      *awskms.Client
	store    *keystore.Store
	storeErr error // why the keystore did not open, which is tried once
}

// NewServices makes services that ask nothing yet.
func NewServices(aws flags.AWS, store flags.Store) *Services {
	return &Services{awsOptions: aws, storeOptions: store}
}

// Close wipes what the services hold.
func (s *Services) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		s.store.Close()
	}
}

// AWS is the SDK's client.
func (s *Services) AWS() *awskms.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aws == nil {
		s.aws = awskms.New(awsConfig(s.awsOptions))
	}
	return s.aws
}

func awsConfig(o flags.AWS) awskms.Config {
	cfg := awskms.Config{
		Profile:        o.Profile,
		Region:         o.Region,
		EndpointURL:    o.EndpointURL,
		CABundle:       o.CABundle,
		RoleARN:        o.RoleARN,
		NoVerifySSL:    o.NoVerifySSL,
		NoSignRequest:  o.NoSignRequest,
		UseFIPS:        o.UseFIPS,
		ConnectTimeout: o.ConnectTimeout,
		ReadTimeout:    o.ReadTimeout,
		MaxAttempts:    o.MaxAttempts,
		Warn:           func(line string) { ui.Warn("%s", line) },
	}
	if ui.IsTerminal(os.Stdin) && ui.IsTerminal(os.Stderr) {
		cfg.MFAToken = func() (string, error) {
			code, err := ui.Passphrase("MFA code: ", false)
			return string(code), err
		}
	}
	if o.Debug {
		cfg.Debug = os.Stderr
	}
	return cfg
}

// Store is the embedded keystore, opened once.
func (s *Services) Store() (*keystore.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store == nil && s.storeErr == nil {
		s.store, s.storeErr = OpenKeystore(s.storeOptions)
	}
	return s.store, s.storeErr
}

// Opened is the embedded keystore if a key has needed it and it opened, otherwise nil.
func (s *Services) Opened() *keystore.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store
}

// OpenKeystore opens the embedded keystore.
func OpenKeystore(o flags.Store) (*keystore.Store, error) {
	path, err := o.Path()
	if err != nil {
		return nil, err
	}
	return keystore.Open(path, keystore.Options{
		IdentityFile: o.IdentityFile,
		Passphrase: func() ([]byte, error) {
			return Passphrase(o.PassphraseFile, "Passphrase of the keystore "+path+": ", false)
		},
	})
}

// OpenUnasked opens the keystore without asking anybody: its error is keystore.ErrNeedPassphrase
// where that takes a passphrase and no file has it.
func OpenUnasked(o flags.Store) (*keystore.Store, error) {
	path, err := o.Path()
	if err != nil {
		return nil, err
	}
	how := keystore.Options{IdentityFile: o.IdentityFile}
	if o.PassphraseFile != "" {
		how.Passphrase = func() ([]byte, error) { return firstLine(o.PassphraseFile) }
	}
	return keystore.Open(path, how)
}

// Passphrase reads it from the file if one is named, or asks for it.
func Passphrase(file, prompt string, confirm bool) ([]byte, error) {
	if file != "" {
		return firstLine(file)
	}
	return ui.Passphrase(prompt, confirm)
}

// firstLine reads a passphrase from a file.
func firstLine(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, exit.Errorf(exit.Other, "", "passphrase file: %w", err)
	}
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	clear(rest)
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return nil, exit.Errorf(exit.Usage, "put the passphrase on its first line", "passphrase file %s: first line is empty", path)
	}
	return line, nil
}

// Resolved is where a key reference leads: a key service, and the reference as it takes it.
type Resolved struct {
	Client kmsclient.Client
	ID     string
	// Store is Client where that is the embedded keystore, and nil where it is AWS.
	Store *keystore.Store
}

func (s *Services) onAWS(id string) Resolved { return Resolved{Client: s.AWS(), ID: id} }

// IsAWS tells whether the reference leads to AWS, and not to the keystore or nowhere.
func (r Resolved) IsAWS() bool { return r.Client != nil && r.Store == nil }

func inStore(store *keystore.Store, id string) Resolved {
	return Resolved{Client: store, ID: id, Store: store}
}

// Resolve finds the service of a key reference. It is for commands that show what the service
// itself says of a key; others want ResolveKnown.
func (s *Services) Resolve(ref string) (Resolved, error) {
	if ref == "" {
		return Resolved{}, exit.Errorf(exit.Usage, keyHint, "key id is empty")
	}
	if ref == LocalPrefix {
		return Resolved{}, exit.Errorf(exit.Usage, "`envseal keystore list-keys` shows the names", "%s: the name is missing", ref)
	}
	if name, ok := strings.CutPrefix(ref, LocalPrefix); ok {
		store, err := s.Store()
		if err != nil {
			return Resolved{}, err
		}
		return inStore(store, LocalName(name)), nil
	}
	if arn, err := kmsclient.ParseARN(ref); err == nil {
		key, err := s.resolveARN(arn)
		key.ID = ref
		return key, err
	} else if strings.HasPrefix(ref, "arn:") {
		return Resolved{}, exit.Errorf(exit.Usage, keyHint, "key id: %w", err)
	}
	if err := noKeyID(ref); err != nil {
		return Resolved{}, err
	}
	return s.onAWS(ref), nil
}

// ResolveKnown does the same, and refuses at once, as it was typed, a name that the keystore does
// not have.
func (s *Services) ResolveKnown(ctx context.Context, ref string) (Resolved, error) {
	key, err := s.Resolve(ref)
	if err != nil || key.Store == nil || !strings.HasPrefix(key.ID, "alias/") {
		return key, err
	}
	_, err = key.Store.DescribeKey(ctx, key.ID, kmsclient.Options{})
	if errors.Is(err, kmsclient.ErrNotFound) {
		err = NoSuchName(ctx, s.storeOptions, key.Store, ref, key.ID)
	}
	return key, err
}

// resolveARN finds the service that holds a key. A key of the Region "local" is the keystore's if
// it has it; otherwise it is that of a development server, if an endpoint is set.
func (s *Services) resolveARN(arn kmsclient.ARN) (Resolved, error) {
	if arn.Region != kmsclient.LocalRegion {
		return s.onAWS(arn.String()), nil
	}
	store, err := s.Store()
	if err == nil && store.HasKey(arn.String()) {
		return inStore(store, arn.String()), nil
	}
	if s.EndpointSet() {
		return s.onAWS(arn.String()), nil
	}
	if err != nil && !errors.Is(err, keystore.ErrNoKeystore) {
		return Resolved{}, err
	}
	path, pathErr := s.storeOptions.Path()
	if pathErr != nil {
		return Resolved{}, pathErr
	}
	if err != nil {
		return Resolved{}, exit.Errorf(exit.Refused, "name the keystore that holds it with --keystore or ENVSEAL_KEYSTORE", "%s: it is a key of an embedded keystore, and there is none at %s", arn, path)
	}
	return Resolved{}, exit.Errorf(exit.Refused, "name the keystore that holds it with --keystore or ENVSEAL_KEYSTORE; `envseal keystore list-keys` shows what this one has", "%s: keystore %s has no such key", arn, path)
}

// ForARN is resolveARN for who wants no more than the client, such as keyring.Discovery.
func (s *Services) ForARN(arn kmsclient.ARN) (kmsclient.Client, error) {
	key, err := s.resolveARN(arn)
	return key.Client, err
}

// EndpointSet tells whether the user named a KMS endpoint other than AWS's own.
func (s *Services) EndpointSet() bool {
	return s.awsOptions.EndpointURL != "" || os.Getenv("AWS_ENDPOINT_URL_KMS") != "" ||
		os.Getenv("AWS_ENDPOINT_URL") != ""
}

// Recipients turns the key references of -k into recipients.
func (s *Services) Recipients(
	ctx context.Context, refs, grantTokens []string,
) ([]*keyring.KMSKey, error) {
	var all []*keyring.KMSKey
	for _, ref := range refs {
		key, err := s.ResolveKnown(ctx, ref)
		if err != nil {
			return nil, err
		}
		all = append(all, &keyring.KMSKey{Client: key.Client, KeyID: key.ID, GrantTokens: grantTokens})
	}
	return all, nil
}

// Allowed turns the key references of a policy into keyring's form.
func (s *Services) Allowed(ctx context.Context, refs []string) ([]keyring.AllowedKey, error) {
	var all []keyring.AllowedKey
	for _, ref := range refs {
		key, err := s.ResolveKnown(ctx, ref)
		if err != nil {
			return nil, err
		}
		if key.Store != nil && strings.HasPrefix(key.ID, "alias/") {
			// The keystore costs no call, so the policy can compare ARNs, and ask for slots of
			// this key only.
			meta, err := key.Store.DescribeKey(ctx, key.ID, kmsclient.Options{})
			if err != nil {
				return nil, err
			}
			key.ID = meta.ARN
		}
		all = append(all, keyring.AllowedKey{KeyID: key.ID, Client: key.Client})
	}
	return all, nil
}

// Destinations finds the services and Regions of keys to re-encrypt for.
func (s *Services) Destinations(ctx context.Context, refs []string) ([]keyring.Destination, error) {
	var all []keyring.Destination
	for _, ref := range refs {
		key, err := s.ResolveKnown(ctx, ref)
		if err != nil {
			return nil, err
		}
		d := keyring.Destination{KeyID: key.ID, Client: key.Client, Region: kmsclient.LocalRegion}
		if arn, err := kmsclient.ParseARN(key.ID); err == nil {
			arn = arn.ReplicaIn(s.awsOptions.Region)
			d.KeyID, d.Region = arn.String(), arn.Region
		} else if key.IsAWS() {
			if d.Region, err = s.AWS().Region(ctx); err != nil {
				return nil, err
			}
		}
		all = append(all, d)
	}
	return all, nil
}

// isKeyID tells whether ref is the id of a key: a UUID in lower case, whose dashes may be missing,
// behind mrk- where the key is for several Regions.
func isKeyID(ref string) bool {
	rest := strings.TrimPrefix(ref, "mrk-")
	for i, n := range [...]int{8, 4, 4, 4, 12} {
		if i > 0 {
			rest = strings.TrimPrefix(rest, "-")
		}
		if len(rest) < n || !ui.ConsistsOf(rest[:n], "0123456789abcdef") {
			return false
		}
		rest = rest[n:]
	}
	return rest == ""
}

// IsAliasName is KMS's rule for the name of an alias that users may make (API reference,
// CreateAlias).
func IsAliasName(alias string) bool {
	name, ok := strings.CutPrefix(alias, "alias/")
	return ok && len(name) >= 1 && len(name) <= 250 && ui.ConsistsOf(name, ui.LettersAndDigits+"/_-") &&
		!strings.HasPrefix(name, "aws/")
}

// NamesOneKey tells whether ref is the id or ARN of a key, and no alias, which may lead to another
// key tomorrow.
func NamesOneKey(ref string) bool {
	arn, err := kmsclient.ParseARN(ref)
	return err == nil && !arn.IsAlias() || isKeyID(ref)
}

// looksLikeKey tells whether the name of a file is rather that of a key.
func looksLikeKey(name string) bool {
	for _, prefix := range []string{LocalPrefix, "alias/", "arn:"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return isKeyID(name)
}

// noKeyID refuses a reference that is a key file instead: AWS would be asked for a key of that
// name.
func noKeyID(ref string) error {
	if isKeyID(ref) {
		return nil
	}
	if k := KeyFileAt(ref); k != nil {
		return exit.Errorf(exit.Usage, "write `"+k.Use(ref)+"`", "%s: is no KMS key but an %s", ui.Shown(ref), k)
	}
	return nil
}

// LocalName turns NAME into alias/NAME, and leaves alias/NAME, ARNs and key ids as they are.
func LocalName(name string) string {
	if strings.HasPrefix(name, "alias/") || strings.HasPrefix(name, "arn:") || isKeyID(name) {
		return name
	}
	return "alias/" + name
}

// TypedKey is the id of a key as one of refs, those of the command line, names it.
func TypedKey(refs []string, id string) string {
	for _, ref := range refs {
		if name, ok := strings.CutPrefix(ref, LocalPrefix); ok && LocalName(name) == id {
			return ref
		}
	}
	return id
}

// NoSuchName is the error for the reference ref to the alias id, which the keystore does not have.
func NoSuchName(ctx context.Context, o flags.Store, store *keystore.Store, ref, id string) error {
	hint := "`envseal keystore list-keys` shows what it has"
	if strings.Contains(ref, ",") {
		return exit.Errorf(exit.Usage, "give the flag once for each: -k "+strings.ReplaceAll(ref, ",", " -k "), "%s: a key is a single one", ui.Shown(ref))
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
	return exit.Errorf(exit.Refused, hint, "%s: keystore %s has no key of that name", ui.Shown(ref), ui.Shown(path))
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
	service := len(LocalPrefix) - 1
	if len(ref) > service+1 && strings.EqualFold(ref[:service], LocalPrefix[:service]) && strings.ContainsAny(ref[service:service+1], ":/.") {
		return ref[service+1:]
	}
	return strings.TrimPrefix(strings.TrimPrefix(ref, "alias:"), "alias/")
}
