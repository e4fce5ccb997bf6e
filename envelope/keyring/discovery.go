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

// Unwrap tries the slots in their order. It wraps envelope.ErrNoMatch where the header has no KMS slot and ErrPolicy where it has none that is allowed;
// otherwise the errors of the keys that were asked.
func (d *Discovery) Unwrap(ctx context.Context, h *format.Header) (envelope.Secret, error) {
	slots, err := kmsSlots(h)
	if err != nil {
		return nil, err
	}
	if len(slots) == 0 {
		return nil, fmt.Errorf("%w: the file has no KMS key", envelope.ErrNoMatch)
	}
	attempts, err := d.attempts(slots)
	if err != nil {
		return nil, err
	}
	if len(attempts) == 0 {
		return nil, d.refusal(slots)
	}
	var failed []error
	for _, a := range attempts[:min(len(attempts), MaxCalls)] {
		key, err := d.decrypt(ctx, h, a)
		if err == nil {
			if d.Used != nil {
				d.Used(a.slot.KeyID)
			}
			return key, nil
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

// attempt is a slot, how to call its key, and whom to ask.
type attempt struct {
	slot   format.KMSSlot
	keyID  string
	client kmsclient.Client
}

// attempts lists the slots that the policy allows.
func (d *Discovery) attempts(slots []format.KMSSlot) ([]attempt, error) {
	var all []attempt
	for _, slot := range slots {
		arn, err := kmsclient.ParseARN(slot.KeyID)
		if err != nil || arn.KeyID() == "" {
			continue // no writer makes such a slot, and no service could be asked
		}
		if len(d.Accounts) > 0 && !slices.Contains(d.Accounts, arn.Account) {
			continue
		}
		if len(d.Keys) > 0 && !d.named(arn) {
			all = append(all, d.byAlias(slot)...)
			continue
		}
		client, err := d.Client(arn)
		if err != nil {
			return nil, err
		}
		all = append(all, attempt{slot: slot, keyID: slot.KeyID, client: client})
	}
	return all, nil
}

// named tells whether Keys has the key by its id or ARN.
func (d *Discovery) named(arn kmsclient.ARN) bool {
	return slices.ContainsFunc(d.Keys, func(k AllowedKey) bool {
		return k.KeyID == arn.String() || k.KeyID == arn.KeyID()
	})
}

// byAlias asks for the slot under each allowed alias. KMS resolves it and refuses a blob of another key, so that nobody needs the right to DescribeKey for it.
func (d *Discovery) byAlias(slot format.KMSSlot) []attempt {
	var all []attempt
	for _, k := range d.Keys {
		if isAlias(k.KeyID) && k.Client != nil {
			all = append(all, attempt{slot: slot, keyID: k.KeyID, client: k.Client})
		}
	}
	return all
}

func (d *Discovery) decrypt(ctx context.Context, h *format.Header, a attempt) (envelope.Secret, error) {
	out, err := a.client.Decrypt(ctx, kmsclient.DecryptInput{
		KeyID:             a.keyID,
		CiphertextBlob:    a.slot.CiphertextBlob,
		EncryptionContext: h.Context,
		Options:           kmsclient.Options{GrantTokens: d.GrantTokens},
	})
	if err != nil {
		return nil, err
	}
	if out.KeyID != a.slot.KeyID {
		out.Plaintext.Destroy()
		return nil, fmt.Errorf("%s: answer is of the key %s: %w", a.slot.KeyID, out.KeyID, kmsclient.ErrBadAnswer)
	}
	return out.Plaintext, nil
}

// refusal names the keys of the file, which the policy does not allow.
func (d *Discovery) refusal(slots []format.KMSSlot) error {
	var names []string
	for _, s := range slots[:min(len(slots), MaxCalls)] {
		names = append(names, fmt.Sprintf("%q", s.KeyID))
	}
	if n := len(slots) - len(names); n > 0 {
		names = append(names, fmt.Sprintf("and %d more", n))
	}
	return fmt.Errorf("%w: it was sealed for %s", ErrPolicy, join(names))
}
