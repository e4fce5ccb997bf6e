package keyring

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
)

// MaxCalls is how many times KMS is asked for one file: a header is not authenticated before a key
// is there, and one with many slots must not become many calls.
const MaxCalls = 3

// ErrPolicy: the header names KMS keys, and none of them is allowed.
var ErrPolicy = errors.New("no key of this file is allowed")

// Discovery opens files with the KMS keys that their headers name, as far as the policy allows. It
// is an envelope.Identity.
//
// It holds for slots of KMS keys and for those of key pairs, whose KMS key is the one that
// encrypted the private key. The KeyID in a slot is attacker-controlled until the file's commitment
// is checked, so it is always sent to Decrypt, and the answer must come from it.
type Discovery struct {
	// Client returns the key service for a key ARN.
	Client func(arn kmsclient.ARN) (kmsclient.Client, error)
	// Keys, if not empty, are the only keys allowed: key ids, key ARNs, aliases or alias ARNs. One
	// that stands there twice is asked once.
	Keys []AllowedKey
	// Accounts, if not empty, are the only AWS accounts whose keys are allowed.
	Accounts []string
	// Region, if not empty, is where multi-Region keys are asked: their replica there, whichever
	// Region the slot names.
	Region      string
	GrantTokens []string
	// Used, if set, is told the key ARN that gave the data key, of a multi-Region key that of the
	// replica, once the file's commitment has shown that the data key is right. The chunks behind the
	// header are not read yet by then.
	Used func(arn string)
}

// AllowedKey is a key that may open files: its reference, and where that is an alias, which only
// the service can resolve, the key service to ask. The ARN of a multi-Region key allows the key in
// every Region; a slot of another Region is opened with the replica that is named.
type AllowedKey struct {
	KeyID  string
	Client kmsclient.Client
}

var _ envelope.Identity = (*Discovery)(nil)

var errNoKMSKey = fmt.Errorf("%w: the file has no KMS key", envelope.ErrNoMatch)

// Unwrap tries the slots, those of KMS keys first, then those of key pairs, whose private keys KMS
// decrypts. A slot that gives another data key than the file's, one that somebody else put in, does
// not keep the next from being tried. It wraps envelope.ErrNoMatch where the header has no slot
// that is known and ErrPolicy where it has none that is allowed; otherwise the errors of the slots
// that were tried. However many slots there are, KMS is asked MaxCalls times at the most.
func (d *Discovery) Unwrap(ctx context.Context, h *format.Header) (envelope.Secret, error) {
	slots, err := openable(h)
	if err != nil {
		return nil, err
	}
	if len(slots) == 0 {
		return nil, errNoKMSKey
	}
	attempts, failed := d.attempts(slots)
	if len(attempts) == 0 && len(failed) == 0 {
		return nil, d.refusal(slots)
	}
	// The keystore of this machine answers at once, so it comes first.
	slices.SortStableFunc(attempts, func(a, b attempt) int { return distance(a) - distance(b) })
	for _, a := range attempts[:min(len(attempts), MaxCalls)] {
		key, keyID, err := d.open(ctx, h, a)
		// else this key is all that there is to say
		if err == nil && (len(attempts) > 1 || len(failed) > 0) {
			err = a.checkKey(key, h)
		}
		if err == nil {
			return &opened{Secret: key, by: keyID, used: d.Used}, nil
		}
		failed = append(failed, err)
	}
	if len(attempts) > MaxCalls {
		failed = append(failed, fmt.Errorf("only %d of %d keys were tried: name yours by its ARN with -k",
			MaxCalls, len(attempts)))
	}
	return nil, errors.Join(failed...)
}

// Allowed tells whether Unwrap would ask anybody for a key: nil, or an error that wraps
// envelope.ErrNoMatch or ErrPolicy. It asks nobody and needs no Client.
func (d *Discovery) Allowed(h *format.Header) error {
	slots, err := openable(h)
	if err != nil {
		return err
	}
	if len(slots) == 0 {
		return errNoKMSKey
	}
	offline := *d
	offline.Client = func(kmsclient.ARN) (kmsclient.Client, error) { return nil, nil }
	if attempts, _ := offline.attempts(slots); len(attempts) == 0 {
		return d.refusal(slots)
	}
	return nil
}

// distance orders attempts: 0 where no network lies between.
func distance(a attempt) int {
	if a.arn.Region == kmsclient.LocalRegion {
		return 0
	}
	return 1
}

// opened is a data key and what is to be told of it when it has proved right.
type opened struct {
	envelope.Secret
	by   string
	used func(arn string)
}

// Confirmed is called by package envelope.
func (o *opened) Confirmed() {
	if o.used != nil {
		o.used(o.by)
	}
}

// attempt is a slot, under which name its key is asked for, and whom to ask.
type attempt struct {
	wrapped
	asked  string
	client kmsclient.Client
}

// attempts lists the slots that the policy allows, and why there is nobody to ask for some of them:
// another slot may do.
func (d *Discovery) attempts(slots []wrapped) (all []attempt, failed []error) {
	for _, w := range slots {
		if w.arn.KeyID() == "" {
			continue // no writer makes such a slot, and no service could be asked
		}
		if len(d.Accounts) > 0 && !slices.Contains(d.Accounts, w.arn.Account) {
			continue
		}
		allowed := d.allowed(w.arn)
		if len(allowed) == 0 {
			all = append(all, d.byAlias(w)...)
		}
		for _, arn := range allowed {
			client, err := d.Client(arn)
			if err != nil {
				failed = append(failed, err)
				continue
			}
			all = append(all, attempt{wrapped: w, asked: arn.String(), client: client})
		}
	}
	return all, failed
}

// allowed lists the ARNs under which a slot's key may be asked for: its own before those of
// replicas. It is empty where the policy does not name the key.
func (d *Discovery) allowed(arn kmsclient.ARN) []kmsclient.ARN {
	var own, replicas []kmsclient.ARN
	if len(d.Keys) == 0 {
		own = []kmsclient.ARN{arn}
	}
	for _, k := range d.Keys {
		named, err := kmsclient.ParseARN(k.KeyID)
		switch {
		case k.KeyID == arn.String() || k.KeyID == arn.KeyID():
			own = []kmsclient.ARN{arn}
		case err == nil && named.IsReplica(arn) && !slices.Contains(replicas, named):
			replicas = append(replicas, named)
		}
	}
	all := append(own, replicas...)
	if there := arn.ReplicaIn(d.Region); len(all) > 0 && there != arn {
		return []kmsclient.ARN{there}
	}
	return all
}

// byAlias asks for the slot under each allowed alias. KMS resolves it and refuses a blob of another
// key, so that nobody needs the right to DescribeKey for it.
func (d *Discovery) byAlias(w wrapped) []attempt {
	var all []attempt
	for i, k := range d.Keys {
		if isAlias(k.KeyID) && k.Client != nil && mayLeadTo(k.KeyID, w.arn) &&
			!slices.ContainsFunc(d.Keys[:i], k.same) {
			all = append(all, attempt{wrapped: w, asked: k.KeyID, client: k.Client})
		}
	}
	return all
}

// same tells whether asking for both would be asking twice: an alias without an ARN is another key
// where another service is asked.
func (k AllowedKey) same(other AllowedKey) bool {
	return k.KeyID == other.KeyID && reflect.ValueOf(k.Client).Comparable() && k.Client == other.Client
}

// mayLeadTo tells whether an alias can name a key: one with an ARN names keys of its own account
// and Region.
func mayLeadTo(alias string, key kmsclient.ARN) bool {
	arn, err := kmsclient.ParseARN(alias)
	return err != nil ||
		arn.Account == key.Account && (arn.Region == key.Region || key.IsMultiRegion())
}

// open has KMS decrypt what is in the slot, and with a pair's private key opens the data key that
// was sealed to it. It tells which key answered.
func (d *Discovery) open(ctx context.Context, h *format.Header,
	a attempt) (key envelope.Secret, keyID string, err error) {
	w, err := a.decode(h)
	if err != nil {
		return nil, "", err
	}
	out, err := a.client.Decrypt(ctx, kmsclient.DecryptInput{
		KeyID:             a.asked,
		CiphertextBlob:    w.blob,
		EncryptionContext: w.context,
		Options:           kmsclient.Options{GrantTokens: d.GrantTokens},
	})
	if err != nil {
		return nil, "", a.explain(err)
	}
	if !a.mayAnswer(out.KeyID) {
		out.Plaintext.Destroy()
		return nil, "", fmt.Errorf("%s: answer is of the key %s: %w",
			a.asked, out.KeyID, kmsclient.ErrBadAnswer)
	}
	if w.pair == nil {
		return a.dataKey(out)
	}
	defer out.Plaintext.Destroy()
	digest, err := h.Digest()
	if err != nil {
		return nil, "", err
	}
	key, err = openPair(out.Plaintext.Bytes(), w.pair, pairInfo(digest))
	return key, out.KeyID, err
}

// checkKey destroys a key that is not the file's, and says so. Where there is no file, any will do.
func (a attempt) checkKey(key envelope.Secret, h *format.Header) error {
	if h.Suite == 0 {
		return nil
	}
	if err := envelope.CheckDataKey(key, h); err != nil {
		key.Destroy()
		return fmt.Errorf("%s: %w", a.keyID, err)
	}
	return nil
}

// dataKey refuses what cannot be a data key: nothing may be derived from it, and another service,
// or another slot, may do better.
func (a attempt) dataKey(out *kmsclient.DecryptOutput) (key envelope.Secret,
	keyID string, err error) {
	if err := checkLength(a.asked, out); err != nil {
		out.Plaintext.Destroy()
		return nil, "", err
	}
	return out.Plaintext, out.KeyID, nil
}

// checkLength tells whether a key service answered with as many bytes as a data key can have. The
// caller keeps out.
func checkLength(asked string, out *kmsclient.DecryptOutput) error {
	if n := len(out.Plaintext.Bytes()); n < format.MinDataKeySize || n > format.MaxDataKeySize {
		return fmt.Errorf("%s: %w: a plaintext of %d bytes, a data key has %d to %d",
			asked, kmsclient.ErrBadAnswer, n, format.MinDataKeySize, format.MaxDataKeySize)
	}
	return nil
}

// mayAnswer tells whether keyID is the key that was asked. An alias may lead to the slot's key or,
// in another Region, to a replica of it.
func (a attempt) mayAnswer(keyID string) bool {
	if !isAlias(a.asked) {
		return keyID == a.asked
	}
	arn, err := kmsclient.ParseARN(keyID)
	return keyID == a.keyID || err == nil && arn.IsReplica(a.arn)
}

// explain says of a replica that it may not exist: its ARN stands nowhere, and was made from that
// of the slot.
func (a attempt) explain(err error) error {
	arn, parseErr := kmsclient.ParseARN(a.asked)
	if parseErr == nil && !isAlias(a.asked) && arn != a.arn && errors.Is(err, kmsclient.ErrNotFound) {
		return fmt.Errorf("%s has no replica in %s: %w", a.keyID, arn.Region, err)
	}
	return err
}

// refusal names the keys of the file, which the policy does not allow.
func (d *Discovery) refusal(slots []wrapped) error {
	var names []string
	for _, s := range slots[:min(len(slots), MaxCalls)] {
		names = append(names, fmt.Sprintf("%q", s.keyID))
	}
	if n := len(slots) - len(names); n > 0 {
		names = append(names, fmt.Sprintf("and %d more", n))
	}
	return fmt.Errorf("%w: it was sealed for %s", ErrPolicy, strings.Join(names, ", "))
}
