package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
)

// MaxCalls is how many times KMS is asked for one file: a header is not authenticated before a key is there, and one with many slots must not become many calls.
const MaxCalls = 3

// ErrPolicy: the header names KMS keys, and none of them is allowed.
var ErrPolicy = errors.New("no key of this file is allowed")

// Discovery opens files with the KMS keys that their headers name, as far as the policy allows. It is an envelope.Identity.
//
// It holds for slots of KMS keys and for those of key pairs, whose KMS key is the one that encrypted the private key.
// The KeyID in a slot is attacker-controlled until the file's commitment is checked, so it is always sent to Decrypt, and the answer must come from it.
type Discovery struct {
	// Client returns the key service for a key ARN.
	Client func(arn kmsclient.ARN) (kmsclient.Client, error)
	// Keys, if not empty, are the only keys allowed: key ids, key ARNs, aliases or alias ARNs.
	Keys []AllowedKey
	// Accounts, if not empty, are the only AWS accounts whose keys are allowed.
	Accounts    []string
	GrantTokens []string
	// Used, if set, is told the key ARN that gave the data key. It does not mean that the file is authentic.
	Used func(arn string)
}

// AllowedKey is a key that may open files: its reference, and where that is an alias, which only the service can resolve, the key service to ask.
type AllowedKey struct {
	KeyID  string
	Client kmsclient.Client
}

var _ envelope.Identity = (*Discovery)(nil)

// Unwrap tries the slots, those of KMS keys first, then those of key pairs, whose private keys KMS decrypts. It wraps envelope.ErrNoMatch where the header
// has no slot that is known and ErrPolicy where it has none that is allowed; otherwise the errors of the slots that were tried. However many
// slots there are, KMS is asked MaxCalls times at the most.
func (d *Discovery) Unwrap(ctx context.Context, h *format.Header) (envelope.Secret, error) {
	slots, err := openable(h)
	if err != nil {
		return nil, err
	}
	if len(slots) == 0 {
		return nil, fmt.Errorf("%w: the file has no KMS key", envelope.ErrNoMatch)
	}
	attempts, failed := d.attempts(slots)
	if len(attempts) == 0 && len(failed) == 0 {
		return nil, d.refusal(slots)
	}
	for _, a := range attempts[:min(len(attempts), MaxCalls)] {
		key, err := d.open(ctx, h, a)
		if err == nil {
			if d.Used != nil {
				d.Used(a.keyID)
			}
			return key, nil
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

// attempt is a slot, under which name its key is asked for, and whom to ask.
type attempt struct {
	wrapped
	asked  string
	client kmsclient.Client
}

// attempts lists the slots that the policy allows, and why there is nobody to ask for some of them: another slot may do.
func (d *Discovery) attempts(slots []wrapped) (all []attempt, failed []error) {
	for _, w := range slots {
		if w.arn.KeyID() == "" {
			continue // no writer makes such a slot, and no service could be asked
		}
		if len(d.Accounts) > 0 && !slices.Contains(d.Accounts, w.arn.Account) {
			continue
		}
		if len(d.Keys) > 0 && !d.named(w.arn) {
			all = append(all, d.byAlias(w)...)
			continue
		}
		client, err := d.Client(w.arn)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all = append(all, attempt{wrapped: w, asked: w.keyID, client: client})
	}
	return all, failed
}

// named tells whether Keys has the key by its id or ARN.
func (d *Discovery) named(arn kmsclient.ARN) bool {
	return slices.ContainsFunc(d.Keys, func(k AllowedKey) bool {
		return k.KeyID == arn.String() || k.KeyID == arn.KeyID()
	})
}

// byAlias asks for the slot under each allowed alias. KMS resolves it and refuses a blob of another key, so that nobody needs the right to DescribeKey for it.
func (d *Discovery) byAlias(w wrapped) []attempt {
	var all []attempt
	for _, k := range d.Keys {
		if isAlias(k.KeyID) && k.Client != nil {
			all = append(all, attempt{wrapped: w, asked: k.KeyID, client: k.Client})
		}
	}
	return all
}

// open has KMS decrypt what is in the slot, and with a pair's private key opens the data key that was sealed to it.
func (d *Discovery) open(ctx context.Context, h *format.Header, a attempt) (envelope.Secret, error) {
	out, err := a.client.Decrypt(ctx, kmsclient.DecryptInput{
		KeyID:             a.asked,
		CiphertextBlob:    a.blob,
		EncryptionContext: a.context,
		Options:           kmsclient.Options{GrantTokens: d.GrantTokens},
	})
	if err != nil {
		return nil, err
	}
	if out.KeyID != a.keyID {
		out.Plaintext.Destroy()
		return nil, fmt.Errorf("%s: answer is of the key %s: %w", a.keyID, out.KeyID, kmsclient.ErrBadAnswer)
	}
	if a.pair == nil {
		return out.Plaintext, nil
	}
	defer out.Plaintext.Destroy()
	digest, err := h.Digest()
	if err != nil {
		return nil, err
	}
	return openPair(out.Plaintext.Bytes(), a.pair, pairInfo(digest))
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
	return fmt.Errorf("%w: it was sealed for %s", ErrPolicy, join(names))
}
