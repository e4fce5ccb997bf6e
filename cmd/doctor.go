package cmd

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
	"github.com/urfave/cli/v2"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:      "doctor",
		Usage:     "who am I, which Region and endpoint, is the key sound, what may I do with it",
		ArgsUsage: "[FILE | -]",
		UsageText: "envseal doctor [-k KEY]... [FILE]\n" +
			"envseal doctor -k KEY --expect generate-data-key=allowed,decrypt=denied      for CI: exit code 9 if it is otherwise",
		Description: "Asks KMS by DryRun what is allowed: nothing is changed. decrypt and re-encrypt need something that the key has encrypted: a key slot of the sealed FILE,\n" +
			"or else a data key that is made for it (GenerateDataKeyWithoutPlaintext) and thrown away. Without -k, the keys are those of FILE.\n" +
			"A policy may depend on the encryption context: -c gives it, or FILE.\n\n" +
			"--expect OPERATION=allowed|denied is for least privilege: denied means that permission is missing, and not that the key is disabled or KMS out of reach.\n" +
			"Operations: describe-key, generate-data-key, generate-data-key-without-plaintext, generate-data-key-pair-without-plaintext, encrypt, decrypt,\n" +
			"re-encrypt-from, re-encrypt-to; re-encrypt stands for both of the last.\n\n" +
			"Exit code without --expect: 0 if every key can be used for something, 5 if KMS refuses one altogether, 6 if it cannot be reached.",
		Flags: flags([]cli.Flag{
			keyIDFlag("examine this `KEY` (repeatable)"), contextFlag(), grantTokensFlag(),
			&cli.StringSliceFlag{Name: "expect", Category: catPolicy, Usage: "`OPERATION=allowed|denied,...`: exit with 9 if it is otherwise for any of the keys (repeatable)"},
			&cli.BoolFlag{Name: "json", Category: catOutput, Usage: "print JSON, with the field names of AWS"},
		}, awsFlags(), storeFlags()),
		Action: runDoctor,
	}
}

// doctor is one run of the command.
type doctor struct {
	c       *cli.Context
	svc     *services
	context format.Context // of the operations that encrypt
	slots   []heldSlot     // of FILE
	bound   format.Context // the encryption context of FILE
	keys    []*patient
	found   diagnosis
	noIdent error // why there is no identity
	noStore error // why the keystore did not open
}

// heldSlot is a key slot. What a key service is asked about it is decoded when it is: all those of a hostile header take many times its size.
type heldSlot struct {
	format.Slot
	keyID string
	arn   kmsclient.ARN
}

// sample is something that a key has encrypted.
type sample struct {
	arn     kmsclient.ARN
	blob    []byte
	context format.Context
}

// sample decodes one of the slots that readFile has decoded before.
func (d *doctor) sample(s heldSlot) *sample {
	if k, err := s.KMS(); err == nil {
		return &sample{arn: s.arn, blob: k.CiphertextBlob, context: d.bound}
	}
	p, _ := s.Pair()
	return &sample{arn: s.arn, blob: p.PrivateKeyCiphertextBlob, context: p.PairContext}
}

func runDoctor(c *cli.Context) error {
	if c.NArg() > 1 {
		return fail(exitUsage, "", "doctor takes one FILE, %d are given", c.NArg())
	}
	if c.NArg() == 1 && c.Args().First() == "" {
		return fail(exitUsage, "is a variable empty that should name it?", "file name is empty")
	}
	expected, err := parseExpectations(c.StringSlice("expect"))
	if err != nil {
		return err
	}
	d := &doctor{c: c, svc: newServices(c)}
	defer d.svc.close()
	harden(c)
	if err := d.admit(); err != nil {
		return err
	}
	if len(expected) > 0 && len(d.keys) == 0 {
		return fail(exitUsage, "name it with -k KEY, ENVSEAL_KEY_ID or a sealed FILE", "--expect needs a key")
	}
	d.examine(c.Context)
	if c.Context.Err() != nil {
		return context.Cause(c.Context)
	}
	err = d.judge(expected)
	if printErr := d.found.write(stdoutWriter(), c.Bool("json")); printErr != nil {
		return printErr
	}
	return err
}

// admit finds the keys to examine, and what FILE has of them.
func (d *doctor) admit() error {
	var err error
	if d.context, err = contextOf(d.c); err != nil {
		return err
	}
	refs := d.c.StringSlice("key-id")
	if name := d.c.Args().First(); name != "" {
		if err := d.readFile(name); err != nil {
			return named(name, err)
		}
		if len(refs) == 0 {
			refs = d.keysOfFile(name)
		}
	} else {
		refs = keyRefs(d.c)
	}
	for _, ref := range refs {
		p := &patient{d: d, found: keyFinding{Key: ref}}
		p.client, p.id, p.problem = d.svc.service(ref)
		if codeOf(p.problem) == exitUsage {
			return p.problem
		}
		if arn, err := kmsclient.ParseARN(p.id); err == nil {
			p.id = arn.ReplicaIn(d.c.String("region")).String()
		}
		d.keys = append(d.keys, p)
	}
	return nil
}

// readFile takes what the key slots hold.
func (d *doctor) readFile(name string) error {
	in, err := openInput(name)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := in.useJournal(); err != nil {
		return err
	}
	src, _, err := format.Unarmored(in)
	if err != nil {
		return err
	}
	h, err := format.ReadHeader(src, format.Limits{})
	if err != nil {
		return err
	}
	if len(d.context) == 0 {
		d.context = h.Context
	}
	d.bound = h.Context
	for _, slot := range h.Slots {
		s := heldSlot{Slot: slot}
		if k, err := slot.KMS(); err == nil {
			s.keyID = k.KeyID
		} else if p, err := slot.Pair(); err == nil {
			s.keyID = p.KeyID
		}
		if s.arn, err = kmsclient.ParseARN(s.keyID); err == nil && s.arn.KeyID() != "" {
			d.slots = append(d.slots, s)
		}
	}
	return nil
}

// keysOfFile names each key once, and no more than decrypt would ask: a header is not authenticated.
func (d *doctor) keysOfFile(name string) []string {
	var refs []string
	seen := map[string]bool{}
	for _, s := range d.slots {
		if !seen[s.keyID] {
			refs = append(refs, s.keyID)
		}
		seen[s.keyID] = true
	}
	if n := len(refs) - keyring.MaxCalls; n > 0 {
		note("%s: %d more keys are not examined; name them with -k", display(name), n)
		refs = refs[:keyring.MaxCalls]
	}
	if len(refs) == 0 {
		note("%s: no key slot names a KMS key", display(name))
	}
	return refs
}

// examine fills in what is found.
func (d *doctor) examine(ctx context.Context) {
	region, aws := "", len(d.keys) == 0
	for _, p := range d.keys {
		if p.isAWS() {
			aws = true
			if arn, err := kmsclient.ParseARN(p.id); err == nil && region == "" {
				region = arn.Region
			}
		}
	}
	var identity sync.WaitGroup
	if aws {
		identity.Go(func() { d.identify(ctx, region) }) // STS may be out of reach where KMS is not, and take its time
	}
	for _, p := range d.keys {
		p.examine(ctx)
	}
	for _, p := range d.keys {
		p.reEncrypt(ctx)
	}
	identity.Wait()
	for _, p := range d.keys {
		d.found.Keys = append(d.found.Keys, &p.found)
	}
	if ahead, known := d.svc.AWS().ClockSkew(); known {
		s := ahead.Round(time.Second).Seconds()
		d.found.ClockSkew = &s
	}
	d.lookAtStore()
}

// identify asks who the caller is, and where calls go that name no ARN.
func (d *doctor) identify(ctx context.Context, region string) {
	aws := d.svc.AWS()
	who, err := aws.CallerIdentity(ctx, region)
	if err != nil {
		d.noIdent = err
		d.found.IdentityError = reasonOf(err)
	} else {
		d.found.Identity = &diagnosedCaller{Account: who.Account, ARN: who.ARN, UserID: who.UserID}
	}
	if d.found.Region, err = aws.Region(ctx); err == nil && d.found.Region != "" {
		d.found.Endpoint, _ = aws.Endpoint(ctx, d.found.Region) // the keys say what is wrong with it
	}
}

// lookAtStore tells about the embedded keystore. It asks nobody for a passphrase unless a key needed it before.
func (d *doctor) lookAtStore() {
	path, err := keystorePath(d.c)
	if err != nil {
		return
	}
	f := &d.found.Keystore
	f.Path = path
	store := d.svc.opened()
	if store == nil {
		o := keystore.Options{IdentityFile: d.c.String("identity-file")}
		if d.c.String("passphrase-file") != "" {
			o.Passphrase = func() ([]byte, error) { return passphrase(d.c, "", false) }
		}
		if store, err = keystore.Open(path, o); err == nil {
			defer store.Close()
		}
	}
	d.noStore = err
	switch {
	case errors.Is(err, keystore.ErrNoKeystore):
		f.State = storeNone
		return
	case errors.Is(err, keystore.ErrNeedPassphrase):
		f.State = storeSealed
		return
	case err == nil:
		var keys []kmsclient.KeyEntry
		if keys, err = store.ListKeys(d.c.Context); err == nil {
			f.State, f.Keys = storeOpens, len(keys)
			return
		}
	}
	f.State = "does not open: " + strings.TrimPrefix(oneLine(err), path+": ")
	_, f.Hint = explain(err)
}
