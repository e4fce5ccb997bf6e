package cmd

import (
	"context"
	"errors"
	"strings"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
)

// patient is a key under examination.
type patient struct {
	d      *doctor
	client kmsclient.Client
	id     string // as the key service takes it
	arn    kmsclient.ARN
	// problem is why the key could not be examined: no service, nobody there, no credentials.
	problem error
	// refusal is the first answer other than yes, for the message where there was no yes at all.
	refusal error
	sample  *sample
	without string             // why there is no sample
	moves   map[*patient]error // answers to ReEncrypt to other keys
	found   keyFinding
}

func (p *patient) isAWS() bool {
	_, ok := p.client.(*awskms.Client)
	return ok
}

// probes are the operations that need nothing but the key. All but the first are dry runs.
var probes = []struct {
	name string
	ask  func(ctx context.Context, p *patient) error
}{
	{opDescribe, func(ctx context.Context, p *patient) error { return p.describe(ctx) }},
	{"generate-data-key", func(ctx context.Context, p *patient) error {
		key, err := p.client.GenerateDataKey(ctx, p.dataKey(true))
		if err == nil {
			key.Plaintext.Destroy()
		}
		return dry(err)
	}},
	{opWithoutPlaintext, func(ctx context.Context, p *patient) error {
		_, err := p.client.GenerateDataKeyWithoutPlaintext(ctx, p.dataKey(true))
		return dry(err)
	}},
	{"generate-data-key-pair-without-plaintext", func(ctx context.Context, p *patient) error {
		_, err := p.client.GenerateDataKeyPairWithoutPlaintext(ctx, kmsclient.GenerateDataKeyPairInput{
			KeyID: p.id, KeyPairSpec: "ECC_NIST_P256", EncryptionContext: p.d.context, Options: p.options(true)})
		return dry(err)
	}},
	{"encrypt", func(ctx context.Context, p *patient) error {
		_, err := p.client.Encrypt(ctx, kmsclient.EncryptInput{
			KeyID: p.id, Plaintext: []byte("dry run"), EncryptionContext: p.d.context, Options: p.options(true)})
		return dry(err)
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

func (p *patient) options(dryRun bool) kmsclient.Options {
	return kmsclient.Options{GrantTokens: p.d.c.StringSlice("grant-tokens"), DryRun: dryRun}
}

func (p *patient) dataKey(dryRun bool) kmsclient.GenerateDataKeyInput {
	return kmsclient.GenerateDataKeyInput{KeyID: p.id, KeySpec: kmsclient.AES256, EncryptionContext: p.d.context, Options: p.options(dryRun)}
}

// dry turns success, which a dry run does not have, into what it means.
func dry(err error) error {
	if err == nil {
		return kmsclient.ErrNotDryRun
	}
	return err
}

// examine asks for everything but ReEncrypt, which can take two keys.
func (p *patient) examine(ctx context.Context) {
	if p.problem != nil {
		p.found.Problem, p.found.Hint = oneLine(p.problem), hintFor(p.problem)
		return
	}
	p.arn, _ = kmsclient.ParseARN(p.id)
	for _, probe := range probes {
		err := probe.ask(ctx, p)
		if p.note(probe.name, err); len(p.found.Operations) == 1 && isBeyond(err) {
			p.problem = err // the others would only fail in the same way, each after its time
			p.found.Problem, p.found.Hint = reasonOf(err), hintFor(err)
			p.found.Operations = nil
			return
		}
	}
	p.found.Endpoint = p.endpoint(ctx)
	if p.takeSample(ctx); p.sample == nil {
		p.unknown(opDecrypt, p.without)
		return
	}
	out, err := p.client.Decrypt(ctx, kmsclient.DecryptInput{
		KeyID: p.id, CiphertextBlob: p.sample.blob, EncryptionContext: p.sample.context, Options: p.options(true)})
	if err == nil {
		out.Plaintext.Destroy()
	}
	p.note(opDecrypt, dry(err))
}

// describe is the one operation that is not run dry.
func (p *patient) describe(ctx context.Context) error {
	m, err := p.client.DescribeKey(ctx, p.id, p.options(false))
	if err != nil {
		return err
	}
	f := &p.found
	f.ARN, f.KeyState, f.KeySpec, f.KeyUsage, f.MultiRegion = m.ARN, m.KeyState, m.KeySpec, m.KeyUsage, &m.MultiRegion
	if c := m.MultiRegionConfiguration; c != nil {
		f.MultiRegionConfiguration = &multiRegionFinding{MultiRegionKeyType: c.KeyType, PrimaryKey: c.Primary.ARN, ReplicaKeys: []string{}}
		for _, r := range c.Replicas {
			f.MultiRegionConfiguration.ReplicaKeys = append(f.MultiRegionConfiguration.ReplicaKeys, r.ARN)
		}
	}
	f.Hint = stateHint(m)
	p.arn, _ = kmsclient.ParseARN(m.ARN)
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

func (p *patient) endpoint(ctx context.Context) string {
	if !p.isAWS() {
		return "embedded keystore"
	}
	region := p.arn.Region
	if region == "" {
		region, _ = p.d.svc.AWS().Region(ctx)
	}
	endpoint, _ := p.d.svc.AWS().Endpoint(ctx, region) // it has just been asked
	return endpoint
}

// takeSample finds something that the key has encrypted, or has it made.
func (p *patient) takeSample(ctx context.Context) {
	for _, s := range p.d.slots {
		if s.arn == p.arn || s.arn.IsReplica(p.arn) || s.arn.KeyID() == p.id {
			p.sample = p.d.sample(s)
			return
		}
	}
	may := p.found.operation(opWithoutPlaintext)
	switch {
	case may.Verdict == verdictAllowed || may.notDry:
		p.makeSample(ctx)
	case p.arn.KeyID() == "" && len(p.d.slots) > 0: // an alias of who knows which key: KMS refuses a blob of another
		p.sample = p.d.sample(p.d.slots[0])
	default:
		p.without = "nothing to ask about: give a FILE that is sealed for this key"
	}
}

func (p *patient) makeSample(ctx context.Context) {
	key, err := p.client.GenerateDataKeyWithoutPlaintext(ctx, p.dataKey(false))
	if err != nil {
		p.without = "no data key to ask about: " + reasonOf(err)
		return
	}
	p.sample = &sample{blob: key.CiphertextBlob, context: p.d.context}
	if p.sample.arn, err = kmsclient.ParseARN(key.KeyID); err == nil {
		p.arn, p.found.ARN = p.sample.arn, key.KeyID
	}
}

// reEncrypt asks for both halves of ReEncrypt, which needs kms:ReEncryptFrom on one key and kms:ReEncryptTo on the other: from the key to
// itself, and where that leaves a half open, with the other keys of the same Region.
func (p *patient) reEncrypt(ctx context.Context) {
	if p.problem != nil {
		return
	}
	from, to := openHalf(p.without), openHalf(p.without)
	for _, other := range p.partners() {
		if from.open {
			from.take(p.reEncryptTo(ctx, other), "kms:ReEncryptTo")
		}
		if to.open {
			to.take(other.reEncryptTo(ctx, p), "kms:ReEncryptFrom")
		}
	}
	from.tell(p, opFrom)
	to.tell(p, opTo)
}

// partners are the keys that ReEncrypt can reach from this one, itself first.
func (p *patient) partners() []*patient {
	all := []*patient{p}
	for _, other := range p.d.keys {
		if other != p && other.problem == nil && other.client == p.client && other.arn.Region == p.arn.Region {
			all = append(all, other)
		}
	}
	return all
}

var errNoSample = errors.New("no sample")

// reEncryptTo asks once for each other key.
func (p *patient) reEncryptTo(ctx context.Context, other *patient) error {
	if p.sample == nil {
		return errNoSample
	}
	if err, asked := p.moves[other]; asked {
		return err
	}
	_, err := p.client.ReEncrypt(ctx, kmsclient.ReEncryptInput{
		CiphertextBlob: p.sample.blob, SourceKeyID: p.sourceID(), SourceEncryptionContext: p.sample.context,
		DestinationKeyID: other.id, DestinationEncryptionContext: p.sample.context, Options: p.options(true)})
	if p.moves == nil {
		p.moves = map[*patient]error{}
	}
	p.moves[other] = dry(err)
	return p.moves[other]
}

// sourceID is the key of the sample by its ARN, where that is known.
func (p *patient) sourceID() string {
	if p.arn.KeyID() != "" {
		return p.arn.String()
	}
	return p.id
}

// half is what is known of one half of ReEncrypt.
type half struct {
	open bool // nothing has settled it yet
	err  error
	why  string
}

func openHalf(why string) half { return half{open: true, why: why} }

// take learns from an answer. A denial that names the other half's permission settles nothing: KMS names the first that is missing.
func (h *half) take(err error, otherHalf string) {
	if errors.Is(err, errNoSample) {
		return
	}
	h.err = err
	h.open = errors.Is(err, kmsclient.ErrAccessDenied) && strings.Contains(err.Error(), otherHalf)
	h.why = "denied for want of " + otherHalf + ": name a further key with -k for which that is allowed"
}

func (h *half) tell(p *patient, op string) {
	if h.open {
		p.unknown(op, h.why)
		return
	}
	p.note(op, h.err)
}
