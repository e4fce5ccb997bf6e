package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
)

// route is one way to a new slot: from which slot, and how.
type route struct {
	wrapped
	source  string // SourceKeyId of the ReEncrypt; empty: by Decrypt and Encrypt
	replica bool   // source is a replica that may or may not exist
}

// newSlot makes a slot for d out of any slot of the group, and the event to report if it is used.
func (r *Rewrap) newSlot(ctx context.Context, h *format.Header, group []wrapped,
	d Destination) (wrapped, SlotEvent, error) {
	routes, err := r.routes(group, d)
	if err != nil {
		return wrapped{}, SlotEvent{}, err
	}
	var failed []error
	for _, way := range routes[:min(len(routes), MaxCalls)] {
		m, err := r.follow(ctx, h, way, d)
		if err == nil {
			return m, SlotEvent{Pair: m.isPair(), From: m.from, To: m.keyID,
				Decrypted: way.source == ""}, nil
		}
		if ctx.Err() != nil {
			return wrapped{}, SlotEvent{}, err
		}
		if !slices.ContainsFunc(failed, func(f error) bool { return f.Error() == err.Error() }) {
			failed = append(failed, err) // what is wrong with d is wrong whatever the source
		}
	}
	return wrapped{}, SlotEvent{}, errors.Join(failed...)
}

// routes lists the ways to d: those within its Region first, then those that need the secret in
// memory, where that is allowed.
func (r *Rewrap) routes(group []wrapped, d Destination) ([]route, error) {
	var within, across []route
	var foreign, elsewhere []string
	for _, w := range group {
		switch {
		case w.arn.KeyID() == "":
			continue // no writer makes such a slot, and no service could be asked
		case len(r.Accounts) > 0 && !slices.Contains(r.Accounts, w.arn.Account):
			foreign = append(foreign, w.keyID)
			continue
		case d.Region == "" || w.arn.Region == d.Region:
			within = append(within, route{wrapped: w, source: w.keyID})
			continue
		case w.arn.IsMultiRegion():
			within = append(within,
				route{wrapped: w, source: w.arn.InRegion(d.Region).String(), replica: true})
		}
		elsewhere = append(elsewhere, w.keyID)
		if r.ViaDecrypt {
			across = append(across, route{wrapped: w})
		}
	}
	routes := append(within, across...)
	switch {
	case len(routes) > 0:
		return routes, nil
	case len(elsewhere) > 0:
		return nil, fmt.Errorf("%s is not where %s is: %w", d, elsewhere[0], ErrOtherRegion)
	case len(foreign) > 0:
		return nil, fmt.Errorf("%w: the slot is of %s",
			ErrPolicy, strings.Join(foreign[:min(len(foreign), MaxCalls)], ", "))
	}
	return nil, fmt.Errorf("%w: none of the file's names a KMS key", ErrNoSlot)
}

// String names the key and where it lies.
func (d Destination) String() string {
	if _, err := kmsclient.ParseARN(d.KeyID); err == nil || d.Region == "" {
		return d.KeyID
	}
	return d.KeyID + " (Region " + d.Region + ")"
}

// follow makes a slot in the way of a route.
func (r *Rewrap) follow(ctx context.Context, h *format.Header, way route,
	d Destination) (wrapped, error) {
	w, err := way.decode(h)
	if err != nil {
		return wrapped{}, err
	}
	if way.source == "" {
		return r.viaDecrypt(ctx, h, w, d)
	}
	m, err := r.reEncrypt(ctx, w, way.source, d)
	if way.replica && errors.Is(err, kmsclient.ErrNotFound) {
		return m, fmt.Errorf("%s has no replica in %s, or %s does not exist: %w: %w",
			way.keyID, d.Region, d, ErrOtherRegion, err)
	}
	return m, err
}

func (r *Rewrap) options() kmsclient.Options {
	return kmsclient.Options{GrantTokens: r.GrantTokens, DryRun: r.DryRun}
}

func (r *Rewrap) reEncrypt(ctx context.Context, w decoded, source string,
	d Destination) (wrapped, error) {
	out, err := d.Client.ReEncrypt(ctx, kmsclient.ReEncryptInput{
		CiphertextBlob:               w.blob,
		SourceKeyID:                  source,
		SourceEncryptionContext:      w.context,
		DestinationKeyID:             d.KeyID,
		DestinationEncryptionContext: w.context,
		Options:                      r.options(),
	})
	if r.DryRun {
		return w.dry(d, err)
	}
	if err != nil {
		return wrapped{}, err
	}
	if out.SourceKeyID != source {
		return wrapped{}, fmt.Errorf("%s: answer is of the source key %q: %w",
			source, out.SourceKeyID, kmsclient.ErrBadAnswer)
	}
	if bytes.Equal(out.CiphertextBlob, w.blob) {
		return wrapped{}, fmt.Errorf("%s: answer is the blob that was sent: %w",
			d, kmsclient.ErrBadAnswer)
	}
	return w.rewrapped(d, out.KeyID, out.CiphertextBlob)
}

// viaDecrypt has the secret in locked memory between one key service and another.
func (r *Rewrap) viaDecrypt(ctx context.Context, h *format.Header, w decoded,
	d Destination) (wrapped, error) {
	arn := w.arn.ReplicaIn(r.Region)
	source, err := r.Client(arn)
	if err != nil {
		return wrapped{}, err
	}
	plain, err := source.Decrypt(ctx, kmsclient.DecryptInput{
		KeyID: arn.String(), CiphertextBlob: w.blob, EncryptionContext: w.context, Options: r.options(),
	})
	if err == nil {
		defer plain.Plaintext.Destroy()
	}
	secret := []byte("dry run")
	switch {
	case r.DryRun && !errors.Is(err, kmsclient.ErrDryRun):
		return w.dry(d, err)
	case r.DryRun: // both services are asked whether they would
	case err != nil:
		return wrapped{}, err
	case plain.KeyID != arn.String():
		return wrapped{}, fmt.Errorf("%s: answer is of the key %q: %w",
			arn, plain.KeyID, kmsclient.ErrBadAnswer)
	default:
		if err := w.checkSecret(plain, h); err != nil {
			return wrapped{}, err
		}
		secret = plain.Plaintext.Bytes()
	}
	out, err := d.Client.Encrypt(ctx, kmsclient.EncryptInput{
		KeyID: d.KeyID, Plaintext: secret, EncryptionContext: w.context, Options: r.options(),
	})
	if r.DryRun {
		return w.dry(d, err)
	}
	if err != nil {
		return wrapped{}, err
	}
	return w.rewrapped(d, out.KeyID, out.CiphertextBlob)
}

// checkSecret tells whether plain, which is at hand here as it is not in ReEncrypt, is the secret
// of this file: so a slot that somebody else put in shows now, and not when the file is needed, and
// nobody gets by it what the file never was about.
func (w decoded) checkSecret(plain *kmsclient.DecryptOutput, h *format.Header) error {
	if w.pair == nil {
		if err := checkLength(w.keyID, plain); err != nil {
			return err
		}
		return envelope.CheckDataKey(plain.Plaintext, h)
	}
	digest, err := h.Digest()
	if err != nil {
		return err
	}
	key, err := openPair(plain.Plaintext.Bytes(), w.pair, pairInfo(digest))
	if err != nil {
		return fmt.Errorf("%s: %w", w.keyID, err)
	}
	defer key.Destroy()
	return envelope.CheckDataKey(key, h)
}

// dry reads the answer to a dry run. The slot that would be made is w's own under the destination's
// name.
func (w wrapped) dry(d Destination, err error) (wrapped, error) {
	switch {
	case err == nil:
		return wrapped{}, fmt.Errorf("%s: the service did what was asked for as a dry run only: %w",
			d, kmsclient.ErrBadAnswer)
	case !errors.Is(err, kmsclient.ErrDryRun):
		return wrapped{}, err
	}
	made := w
	made.keyID, made.from = d.KeyID, w.keyID
	made.arn, _ = kmsclient.ParseARN(d.KeyID)
	return made, nil
}

// checkAnswer refuses a KeyId that is not the ARN of the destination, as far as the destination
// says which that is.
func (d Destination) checkAnswer(got string) error {
	arn, err := kmsclient.ParseARN(got)
	switch want, wantErr := kmsclient.ParseARN(d.KeyID); {
	case err != nil || arn.KeyID() == "":
	case d.Region != "" && arn.Region != d.Region:
	case wantErr == nil && want.KeyID() != "" && arn != want:
	case wantErr == nil && want.IsAlias() && arn.Account != want.Account:
	case wantErr != nil && !isAlias(d.KeyID) && arn.KeyID() != d.KeyID:
	default:
		return nil
	}
	return fmt.Errorf("%s: answer is of the key %q: %w", d, got, kmsclient.ErrBadAnswer)
}
