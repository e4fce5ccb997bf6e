package doctor

import (
	"context"
	"errors"
	"strings"

	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/kmsclient"
)

// keyCheck is a key under examination.
type keyCheck struct {
	keys.Key
	d   *doctor
	arn kmsclient.ARN
	// problem is why the key could not be examined: no service, nobody there, no credentials.
	problem error
	// refusal is the first answer other than yes, for the message where there was no yes at all.
	refusal error
	sample  *sample
	without string              // why there is no sample
	moves   map[*keyCheck]error // answers to ReEncrypt to other keys
	found   keyFinding
}

// probes are the operations that need nothing but the key. All but the first are dry runs.
var probes = []struct {
	name string
	ask  func(ctx context.Context, k *keyCheck) error
}{
	{opDescribe, func(ctx context.Context, k *keyCheck) error { return k.describe(ctx) }},
	{"generate-data-key", func(ctx context.Context, k *keyCheck) error {
		key, err := k.Client.GenerateDataKey(ctx, k.dataKey(true))
		if err == nil {
			key.Plaintext.Destroy()
		}
		return err
	}},
	{opWithoutPlaintext, func(ctx context.Context, k *keyCheck) error {
		_, err := k.Client.GenerateDataKeyWithoutPlaintext(ctx, k.dataKey(true))
		return err
	}},
	{"generate-data-key-pair-without-plaintext", func(ctx context.Context, k *keyCheck) error {
		_, err := k.Client.GenerateDataKeyPairWithoutPlaintext(ctx, kmsclient.GenerateDataKeyPairInput{
			KeyID: k.ID, KeyPairSpec: "ECC_NIST_P256", EncryptionContext: k.d.context,
			Options: k.options(true)})
		return err
	}},
	{"encrypt", func(ctx context.Context, k *keyCheck) error {
		_, err := k.Client.Encrypt(ctx, kmsclient.EncryptInput{
			KeyID: k.ID, Plaintext: []byte("dry run"), EncryptionContext: k.d.context,
			Options: k.options(true)})
		return err
	}},
}

// Operations with a part of their own; the last three need something encrypted.
const (
	opDescribe         = "describe-key"
	opWithoutPlaintext = "generate-data-key-without-plaintext"
	opDecrypt          = "decrypt"
	opFrom             = "re-encrypt-from"
	opTo               = "re-encrypt-to"
)

func (k *keyCheck) options(dryRun bool) kmsclient.Options {
	return kmsclient.Options{GrantTokens: k.d.GrantTokens, DryRun: dryRun}
}

func (k *keyCheck) dataKey(dryRun bool) kmsclient.GenerateDataKeyInput {
	return kmsclient.GenerateDataKeyInput{
		KeyID: k.ID, KeySpec: kmsclient.AES256, EncryptionContext: k.d.context,
		Options: k.options(dryRun),
	}
}

// examine asks for everything but ReEncrypt, which can take two keys.
func (k *keyCheck) examine(ctx context.Context) {
	if k.problem != nil {
		k.found.Problem, k.found.Hint = ui.OneLine(k.problem), hintFor(k.problem)
		return
	}
	k.arn, _ = kmsclient.ParseARN(k.ID)
	for _, probe := range probes {
		err := probe.ask(ctx, k)
		if k.note(probe.name, err); len(k.found.Operations) == 1 && isBeyond(err) {
			k.problem = err // the others would only fail in the same way, each after its time
			k.found.Problem, k.found.Hint = reasonOf(err), hintFor(err)
			k.found.Operations = nil
			return
		}
	}
	k.found.Endpoint = k.endpoint(ctx)
	if k.takeSample(ctx); k.sample == nil {
		k.unknown(opDecrypt, k.without)
		return
	}
	out, err := k.Client.Decrypt(ctx, kmsclient.DecryptInput{
		KeyID: k.ID, CiphertextBlob: k.sample.blob, EncryptionContext: k.sample.context,
		Options: k.options(true)})
	if err == nil {
		out.Plaintext.Destroy()
	}
	k.note(opDecrypt, err)
}

// describe is the one operation that is not run dry. Where it succeeds, its answer is that of a dry
// run.
func (k *keyCheck) describe(ctx context.Context) error {
	m, err := k.Client.DescribeKey(ctx, k.ID, k.options(false))
	if err != nil {
		return err
	}
	f := &k.found
	f.ARN, f.KeyState, f.KeySpec, f.KeyUsage = m.ARN, m.KeyState, m.KeySpec, m.KeyUsage
	f.MultiRegion = &m.MultiRegion
	if c := m.MultiRegionConfiguration; c != nil {
		f.MultiRegionConfiguration = &multiRegionFinding{
			MultiRegionKeyType: c.KeyType, PrimaryKey: c.Primary.ARN, ReplicaKeys: []string{},
		}
		for _, r := range c.Replicas {
			f.MultiRegionConfiguration.ReplicaKeys = append(f.MultiRegionConfiguration.ReplicaKeys, r.ARN)
		}
	}
	f.Hint = stateHint(m)
	k.arn, _ = kmsclient.ParseARN(m.ARN)
	return kmsclient.ErrDryRun
}

func stateHint(m *kmsclient.KeyMetadata) string {
	switch {
	case m.KeySpec != kmsclient.Algorithm || m.KeyUsage != "ENCRYPT_DECRYPT":
		return hintFor(kmsclient.ErrInvalidKeyUsage)
	case m.KeyState == kmsclient.StateDisabled:
		return hintFor(kmsclient.ErrDisabled)
	case m.KeyState != kmsclient.StateEnabled:
		return hintFor(kmsclient.ErrInvalidState)
	}
	return ""
}

func (k *keyCheck) endpoint(ctx context.Context) string {
	if !k.IsAWS() {
		return "embedded keystore"
	}
	region := k.arn.Region
	if region == "" {
		region, _ = k.d.svc.AWS().Region(ctx)
	}
	endpoint, _ := k.d.svc.AWS().Endpoint(ctx, region) // it has just been asked
	return endpoint
}

// takeSample finds something that the key has encrypted, or has it made.
func (k *keyCheck) takeSample(ctx context.Context) {
	for _, s := range k.d.slots {
		if s.arn == k.arn || s.arn.IsReplica(k.arn) || s.arn.KeyID() == k.ID {
			k.sample = k.d.sample(s)
			return
		}
	}
	may := k.found.operation(opWithoutPlaintext)
	switch {
	case may.Verdict == verdictAllowed || may.notDry:
		k.makeSample(ctx)
	case k.arn.KeyID() == "" && len(k.d.slots) > 0:
		// An alias of who knows which key: KMS refuses a blob of another.
		k.sample = k.d.sample(k.d.slots[0])
	default:
		k.without = "nothing to ask about: give a FILE that is sealed for this key"
	}
}

func (k *keyCheck) makeSample(ctx context.Context) {
	key, err := k.Client.GenerateDataKeyWithoutPlaintext(ctx, k.dataKey(false))
	if err != nil {
		k.without = "no data key to ask about: " + reasonOf(err)
		return
	}
	k.sample = &sample{blob: key.CiphertextBlob, context: k.d.context}
	if k.sample.arn, err = kmsclient.ParseARN(key.KeyID); err == nil {
		k.arn, k.found.ARN = k.sample.arn, key.KeyID
	}
}

// reEncrypt asks for both halves of ReEncrypt, which needs kms:ReEncryptFrom on one key and
// kms:ReEncryptTo on the other: from the key to itself, and where that leaves a half open, with the
// other keys of the same Region.
func (k *keyCheck) reEncrypt(ctx context.Context) {
	if k.problem != nil {
		return
	}
	from, to := openHalf(k.without), openHalf(k.without)
	for _, other := range k.partners() {
		if from.open {
			from.take(k.reEncryptTo(ctx, other), "kms:ReEncryptTo")
		}
		if to.open {
			to.take(other.reEncryptTo(ctx, k), "kms:ReEncryptFrom")
		}
	}
	from.record(k, opFrom)
	to.record(k, opTo)
}

// partners are the keys that ReEncrypt can reach from this one, itself first.
func (k *keyCheck) partners() []*keyCheck {
	all := []*keyCheck{k}
	for _, other := range k.d.keys {
		if other != k && other.problem == nil && other.Client == k.Client &&
			other.arn.Region == k.arn.Region {
			all = append(all, other)
		}
	}
	return all
}

var errNoSample = errors.New("no sample")

// reEncryptTo asks once for each other key.
func (k *keyCheck) reEncryptTo(ctx context.Context, other *keyCheck) error {
	if k.sample == nil {
		return errNoSample
	}
	if err, asked := k.moves[other]; asked {
		return err
	}
	_, err := k.Client.ReEncrypt(ctx, kmsclient.ReEncryptInput{
		CiphertextBlob: k.sample.blob, SourceKeyID: k.sourceID(),
		SourceEncryptionContext: k.sample.context, DestinationKeyID: other.ID,
		DestinationEncryptionContext: k.sample.context, Options: k.options(true)})
	if k.moves == nil {
		k.moves = map[*keyCheck]error{}
	}
	k.moves[other] = err
	return err
}

// sourceID is the key of the sample by its ARN, where that is known.
func (k *keyCheck) sourceID() string {
	if k.arn.KeyID() != "" {
		return k.arn.String()
	}
	return k.ID
}

// half is what is known of one half of ReEncrypt.
type half struct {
	open bool // no answer has decided it yet
	err  error
	why  string
}

func openHalf(why string) half { return half{open: true, why: why} }

// take learns from an answer. A denial that names the other half's permission decides nothing: KMS
// names the first that is missing.
func (h *half) take(err error, otherHalf string) {
	if errors.Is(err, errNoSample) {
		return
	}
	h.err = err
	h.open = errors.Is(err, kmsclient.ErrAccessDenied) && strings.Contains(err.Error(), otherHalf)
	h.why = "denied for want of " + otherHalf +
		": name a further key with -k for which that is allowed"
}

func (h *half) record(k *keyCheck, op string) {
	if h.open {
		k.unknown(op, h.why)
		return
	}
	k.note(op, h.err)
}
