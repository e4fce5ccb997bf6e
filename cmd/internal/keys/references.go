package keys

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// LocalPrefix marks a key of the embedded keystore on the command line.
const LocalPrefix = "local:"

const keyHint = "a key is a key id, a key ARN, alias/NAME, an alias ARN, or local:NAME " +
	"for the embedded keystore"

// KeyRefs are the keys of -k, or that of ENVSEAL_KEY_ID where there are none.
func KeyRefs(refs []string) []string { return orVariable(refs, "ENVSEAL_KEY_ID") }

// orVariable are the values of a flag, or that of a variable of the environment where there are
// none.
func orVariable(values []string, name string) []string {
	if value := os.Getenv(name); len(values) == 0 && value != "" {
		return []string{value}
	}
	return values
}

// Key is where a reference to a key leads.
type Key struct {
	// Client is the key service, which belongs to the Services; nil where the reference leads nowhere.
	Client kmsclient.Client
	// ID is the reference as that service takes it.
	ID string
	// ARN is known of an alias in the keystore that ResolveKnown found, and otherwise empty.
	ARN string
	// Store is Client where that is the embedded keystore, and nil where it is AWS.
	Store *keystore.Store
}

func (s *Services) onAWS(id string) Key { return Key{Client: s.AWS(), ID: id} }

// IsAWS tells whether the reference leads to AWS, and not to the keystore or nowhere.
func (k Key) IsAWS() bool { return k.Client != nil && k.Store == nil }

func inStore(store *keystore.Store, id string) Key {
	return Key{Client: store, ID: id, Store: store}
}

// Resolve finds the service of a key reference. It is for commands that show what the service
// itself says of a key; others want ResolveKnown.
func (s *Services) Resolve(ref string) (Key, error) {
	if ref == "" {
		return Key{}, exit.Errorf(exit.Usage, keyHint, "key id is empty")
	}
	if ref == LocalPrefix {
		return Key{}, exit.Errorf(exit.Usage, "`envseal keystore list-keys` shows the names",
			"%s: the name is missing", ref)
	}
	if name, ok := strings.CutPrefix(ref, LocalPrefix); ok {
		store, err := s.Store()
		if err != nil {
			return Key{}, err
		}
		return inStore(store, localID(name)), nil
	}
	if arn, err := kmsclient.ParseARN(ref); err == nil {
		key, err := s.resolveARN(arn)
		key.ID = ref
		return key, err
	} else if strings.HasPrefix(ref, "arn:") {
		return Key{}, exit.Errorf(exit.Usage, keyHint, "key id: %w", err)
	}
	if err := refuseKeyFile(ref); err != nil {
		return Key{}, err
	}
	return s.onAWS(ref), nil
}

// ResolveKnown is Resolve, but refuses at once, as it was typed, a name that the keystore does not
// have.
func (s *Services) ResolveKnown(ctx context.Context, ref string) (Key, error) {
	key, err := s.Resolve(ref)
	if err != nil || key.Store == nil || !strings.HasPrefix(key.ID, "alias/") {
		return key, err
	}
	meta, err := DescribeLocal(ctx, s.storeOptions, key.Store, ref)
	if err == nil {
		key.ARN = meta.ARN
	}
	return key, err
}

// DescribeLocal describes the key of the opened keystore that ref names, with local: or without. o
// says where the keystore is, for messages.
func DescribeLocal(
	ctx context.Context, o flags.Store, store *keystore.Store, ref string,
) (*kmsclient.KeyMetadata, error) {
	id := localID(strings.TrimPrefix(ref, LocalPrefix))
	meta, err := store.DescribeKey(ctx, id, kmsclient.Options{})
	if errors.Is(err, kmsclient.ErrNotFound) && strings.HasPrefix(id, "alias/") {
		return nil, noSuchName(ctx, o, store, ref, id)
	}
	return meta, err
}

// resolveARN finds the service that holds a key. A key of the Region "local" is the keystore's if
// it has it; otherwise it is that of a development server, if an endpoint is set.
func (s *Services) resolveARN(arn kmsclient.ARN) (Key, error) {
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
		return Key{}, err
	}
	path, pathErr := s.storeOptions.Path()
	if pathErr != nil {
		return Key{}, pathErr
	}
	hint := "name the keystore that holds it with --keystore or ENVSEAL_KEYSTORE"
	if err != nil {
		return Key{}, exit.Errorf(exit.Refused, hint,
			"%s: it is a key of an embedded keystore, and there is none at %s", arn, path)
	}
	hint += "; `envseal keystore list-keys` shows what this one has"
	return Key{}, exit.Errorf(exit.Refused, hint, "%s: keystore %s has no such key", arn, path)
}

// ForARN is the client of the service that holds a key. It has the form of
// keyring.Discovery.Client.
func (s *Services) ForARN(arn kmsclient.ARN) (kmsclient.Client, error) {
	key, err := s.resolveARN(arn)
	return key.Client, err
}

// Recipients turns the key references of -k into recipients, which ask the key services with the
// grant tokens.
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

// Allowed turns the key references of a policy, that a file may be opened with these keys only,
// into the form of keyring.
func (s *Services) Allowed(ctx context.Context, refs []string) ([]keyring.AllowedKey, error) {
	var all []keyring.AllowedKey
	for _, ref := range refs {
		key, err := s.ResolveKnown(ctx, ref)
		if err != nil {
			return nil, err
		}
		// A policy compares ARNs, where they cost no call, and asks for slots of this key only.
		id := cmp.Or(key.ARN, key.ID)
		all = append(all, keyring.AllowedKey{KeyID: id, Client: key.Client})
	}
	return all, nil
}

// Destinations finds the services and Regions of the keys that refs name, to be re-encrypted for.
// It may ask AWS's configuration for the Region, but no service.
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
	return ok && len(name) >= 1 && len(name) <= 250 &&
		ui.ConsistsOf(name, ui.LettersAndDigits+"/_-") && !strings.HasPrefix(name, "aws/")
}

// NamesOneKey tells whether ref is the id or ARN of a key, and no alias, which may lead to another
// key tomorrow.
func NamesOneKey(ref string) bool {
	arn, err := kmsclient.ParseARN(ref)
	return err == nil && !arn.IsAlias() || isKeyID(ref)
}

// localID turns NAME into alias/NAME, and leaves alias/NAME, ARNs and key ids as they are.
func localID(name string) string {
	if strings.HasPrefix(name, "alias/") || strings.HasPrefix(name, "arn:") || isKeyID(name) {
		return name
	}
	return "alias/" + name
}

// TypedKey is the id of a key as one of refs, those of the command line, names it.
func TypedKey(refs []string, id string) string {
	for _, ref := range refs {
		if name, ok := strings.CutPrefix(ref, LocalPrefix); ok && localID(name) == id {
			return ref
		}
	}
	return id
}
