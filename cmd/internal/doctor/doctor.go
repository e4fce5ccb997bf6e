// Package doctor is envseal doctor, which finds out what the user may do with keys. It asks key
// services by dry runs and changes nothing: what it may have made is a data key that nobody sees
// and that is thrown away. doctor.go finds the keys, key.go examines one, finding.go has and prints
// what is found, and expect.go judges it. Start at run.
package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/inplace"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
	"github.com/urfave/cli/v2"
)

// Command is envseal doctor.
func Command() *cli.Command {
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
		Flags: slices.Concat([]cli.Flag{
			flags.KeyIDFlag("examine this `KEY` (repeatable)"), flags.ContextFlag(), flags.GrantTokensFlag(),
			&cli.StringSliceFlag{Name: "expect", Category: flags.CatPolicy,
				Usage: "`OPERATION=allowed|denied,...`: exit with 9 if it is otherwise for any of the keys (repeatable)"},
			&cli.BoolFlag{Name: "json", Category: flags.CatOutput,
				Usage: "print JSON, with the field names of AWS"},
		}, flags.AWSFlags(), flags.StoreFlags()),
		Action: func(c *cli.Context) error {
			o, err := readOptions(c)
			if err != nil {
				return err
			}
			return run(c.Context, o)
		},
	}
}

type options struct {
	flags.KeyOptions
	expected []expectation
	file     string // "" is none
	json     bool   // instead of a text for people
}

func readOptions(c *cli.Context) (options, error) {
	o := options{
		KeyOptions: flags.ReadKeyOptions(c), file: c.Args().First(), json: c.Bool("json"),
	}
	if c.NArg() > 1 {
		return o, exit.Errorf(exit.Usage, "", "doctor takes one FILE, %d are given", c.NArg())
	}
	if c.NArg() == 1 && o.file == "" {
		return o, exit.Errorf(exit.Usage, "is a variable empty that should name it?",
			"file name is empty")
	}
	var err error
	o.expected, err = parseExpectations(c.StringSlice("expect"))
	return o, err
}

// doctor is one run of the command.
type doctor struct {
	options
	svc        *keys.Services
	context    format.Context // of the operations that encrypt
	slots      []heldSlot     // of FILE
	bound      format.Context // the encryption context of FILE
	keys       []*keyCheck
	found      diagnosis
	noIdentity error // why it is not known who the caller is
	noStore    error // why the keystore did not open
}

// heldSlot is a key slot. What a key service is asked about it is decoded when it is: all those of
// a hostile header take many times its size.
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

func run(ctx context.Context, o options) error {
	d := &doctor{options: o, svc: keys.NewServices(o.AWS, o.Store)}
	defer d.svc.Close()
	keys.Harden(false)
	if err := d.findKeys(); err != nil {
		return err
	}
	if len(d.expected) > 0 && len(d.keys) == 0 {
		return exit.Errorf(exit.Usage, "name it with -k KEY, ENVSEAL_KEY_ID or a sealed FILE",
			"--expect needs a key")
	}
	d.examine(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := d.judge()
	if printErr := d.found.write(file.StdoutText(), d.json); printErr != nil {
		return printErr
	}
	return err
}

// findKeys finds the keys to examine, and what FILE has of them.
func (d *doctor) findKeys() (err error) {
	if d.context, err = keys.ContextOf(d.Context); err != nil {
		return err
	}
	refs := d.KeyIDs
	if d.file != "" {
		if err := d.readFile(d.file); err != nil {
			return ui.Named(d.file, err)
		}
		if len(refs) == 0 {
			refs = d.keysOfFile(d.file)
		}
	} else {
		refs = keys.KeyRefs(refs)
	}
	for _, ref := range refs {
		k := &keyCheck{d: d, found: keyFinding{Key: ref}}
		k.Key, k.problem = d.svc.Resolve(ref)
		if exit.Code(k.problem) == exit.Usage {
			return k.problem
		}
		if arn, err := kmsclient.ParseARN(k.ID); err == nil {
			k.ID = arn.ReplicaIn(d.AWS.Region).String()
		}
		d.keys = append(d.keys, k)
	}
	return nil
}

// readFile takes what the key slots hold.
func (d *doctor) readFile(name string) error {
	in, src, err := inplace.OpenSealed(name)
	if err != nil {
		return err
	}
	defer in.Close()
	h, _, err := inplace.ReadHeader(src, format.Limits{})
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

// keysOfFile names each key once, and no more than decrypt would ask: a header is not
// authenticated.
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
		ui.Note("%s: %d more keys are not examined; name them with -k", ui.ShownInput(name), n)
		refs = refs[:keyring.MaxCalls]
	}
	if len(refs) == 0 {
		ui.Note("%s: no key slot names a KMS key", ui.ShownInput(name))
	}
	return refs
}

// examine fills in what is found.
func (d *doctor) examine(ctx context.Context) {
	region, aws := "", len(d.keys) == 0
	for _, k := range d.keys {
		if k.IsAWS() {
			aws = true
			if arn, err := kmsclient.ParseARN(k.ID); err == nil && region == "" {
				region = arn.Region
			}
		}
	}
	var identity sync.WaitGroup
	if aws {
		// STS may be out of reach where KMS is not, and take its time.
		identity.Go(func() { d.identify(ctx, region) })
	}
	for _, k := range d.keys {
		k.examine(ctx)
	}
	for _, k := range d.keys {
		k.reEncrypt(ctx)
	}
	identity.Wait()
	for _, k := range d.keys {
		d.found.Keys = append(d.found.Keys, &k.found)
	}
	if ahead, known := d.svc.AWS().ClockSkew(); known {
		s := ahead.Round(time.Second).Seconds()
		d.found.ClockSkew = &s
	}
	d.lookAtStore(ctx)
}

// identify asks who the caller is, and where calls go that name no ARN.
func (d *doctor) identify(ctx context.Context, region string) {
	aws := d.svc.AWS()
	who, err := aws.CallerIdentity(ctx, region)
	if err != nil {
		d.noIdentity = err
		d.found.IdentityError = reasonOf(err)
	} else {
		d.found.Identity = &diagnosedCaller{Account: who.Account, ARN: who.ARN, UserID: who.UserID}
	}
	if d.found.Region, err = aws.Region(ctx); err == nil && d.found.Region != "" {
		d.found.Endpoint, _ = aws.Endpoint(ctx, d.found.Region) // the keys say what is wrong with it
	}
}

// lookAtStore tells about the embedded keystore. It asks nobody for a passphrase unless a key
// needed it before.
func (d *doctor) lookAtStore(ctx context.Context) {
	path, err := d.Store.Path()
	if err != nil {
		return
	}
	f := &d.found.Keystore
	f.Path = path
	store := d.svc.OpenedStore()
	if store == nil {
		if store, err = keys.OpenUnasked(d.Store); err == nil {
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
		var list []kmsclient.KeyEntry
		if list, err = store.ListKeys(ctx); err == nil {
			f.State, f.Keys = storeOpens, len(list)
			return
		}
	}
	f.State = "does not open: " + strings.TrimPrefix(ui.OneLine(err), path+": ")
	f.Hint = hintFor(err)
}
