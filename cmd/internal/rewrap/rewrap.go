// Package rewrap is envseal rewrap: other keys for sealed files, whose data stays as it is. Start
// with runRewrap.
package rewrap

import (
	"context"
	"slices"
	"time"

	"github.com/envseal/envseal/cmd/internal/batch"
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/inplace"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/urfave/cli/v2"
)

// Command is envseal rewrap.
func Command() *cli.Command {
	return &cli.Command{
		Name:      flags.Rewrap,
		Usage:     "change the keys of sealed files by KMS ReEncrypt: no data key here, no kms:Decrypt, the payload untouched",
		ArgsUsage: "FILE...",
		UsageText: "envseal rewrap --to KEY FILE...        the slots are for KEY alone from now on\n" +
			"envseal rewrap --add KEY FILE...       KEY opens the file too\n" +
			"envseal rewrap --drop KEY FILE...      KEY does not any more\n" +
			"find . -name '*.sealed' -print0 | envseal rewrap --to KEY --update --files0-from -",
		Description: "All three are repeatable. --add goes with --drop, and comes first. --to and --add for a key that has a slot make it anew, under the key's present\n" +
			"backing key, as after a rotation; with --update, --to leaves out files that are for exactly these keys already, and goes on where an interrupted run stopped.\n" +
			"A key pair's slot stays one: its private key is re-wrapped, and who gets that opens every file sealed to the pair. FILE may be a detached header.\n\n" +
			"The header is overwritten in place and can be interrupted at any moment: until the new one is on the disk, the old one is in .envseal-FILE.journal beside it,\n" +
			"which every command finds. Where the new slots do not fit, the file is copied and replaced. Either way the file gets a new modification time, so that backups\n" +
			"notice. For a tree that encrypt --update or decrypt --update keeps, use --preserve-mtime: they would make every file again.\n\n" +
			"Needs kms:ReEncryptFrom on the old key and kms:ReEncryptTo on the new one. It takes nothing away from those who had the data key, or have a copy of the\n" +
			"file and the right to use the old key: to shut them out, seal the plaintext again. ReEncrypt cannot tell whether a slot is the file's own: who can write to the file\n" +
			"chooses what is re-encrypted, so grant it for the encryption contexts of your files only; --via-decrypt checks it. Exit codes: `envseal help exit-codes`.",
		Flags: slices.Concat(rewrapFlags(), flags.MessageFlags(), flags.AWSFlags(), flags.StoreFlags()),
		Action: func(c *cli.Context) error {
			o, err := readRewrapOptions(c)
			if err != nil {
				return err
			}
			return runRewrap(c.Context, o)
		},
	}
}

func rewrapFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "to", Category: flags.CatKeys,
			Usage: "make the slots for this `KEY` and no other (repeatable): key id, key ARN, alias/NAME, alias ARN, local:NAME"},
		&cli.StringSliceFlag{Name: "add", Category: flags.CatKeys,
			Usage: "make a further slot, for this `KEY` (repeatable)"},
		&cli.StringSliceFlag{Name: "drop", Category: flags.CatKeys,
			Usage: "remove the slots of this `KEY` (repeatable), but not the last; by ARN or id it takes no KMS call, by alias DescribeKey"},
		&cli.BoolFlag{Name: "via-decrypt", Category: flags.CatKeys,
			Usage: "for a KEY of another Region, which ReEncrypt cannot reach: Decrypt into locked memory here, Encrypt there"},
		&cli.BoolFlag{Name: "share-pair", Category: flags.CatKeys,
			Usage: "let --add give KEY the private key of the pair that a file is sealed to, and with it every file ever sealed to that pair"},
		flags.GrantTokensFlag(),
		&cli.StringSliceFlag{Name: "account", Category: flags.CatPolicy,
			Usage: "re-encrypt from keys of this AWS account `ID` only (repeatable)"},
		&cli.StringSliceFlag{Name: "require-context", Category: flags.CatPolicy,
			Usage: "refuse a file whose encryption context lacks `KEY[=VALUE]` (repeatable); checked before any KMS call"},
		&cli.IntFlag{Name: "max-slots", Category: flags.CatPolicy,
			Usage: "refuse a file with more than `N` key slots (default 64)"},
		&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Category: flags.CatFiles,
			Usage: "follow a symbolic link; where the file must be copied, leave its other names (hard links) behind"},
		&cli.BoolFlag{Name: "update", Category: flags.CatFiles,
			Usage: "with --to: leave out files that are for exactly these keys already; an alias takes DescribeKey, once"},
		&cli.BoolFlag{Name: "preserve-mtime", Category: flags.CatFiles,
			Usage: "leave the file's modification time as it was; rsync needs --checksum then to notice the change"},
		&cli.BoolFlag{Name: "dry-run", Category: flags.CatFiles,
			Usage: "ask KMS whether it would (DryRun), say what would change, change nothing"},
		flags.FailFastFlag(),
		flags.Files0Flag(),
	}
}

// rewrapOptions are the flags of rewrap.
type rewrapOptions struct {
	flags.Work
	aws   flags.AWS
	store flags.Store

	to, add, drop []string // keys
	accounts      []string
	grantTokens   []string
	viaDecrypt    bool
	sharePair     bool
	requirements  keys.Requirements
	maxSlots      int
	keepTime      bool     // of modification
	args          []string // files
}

func readRewrapOptions(c *cli.Context) (o rewrapOptions, err error) {
	if o.Work, err = flags.ReadWork(c); err != nil {
		return o, err
	}
	o.aws, o.store = flags.ReadAWS(c), flags.ReadStore(c)
	o.to, o.add, o.drop = c.StringSlice("to"), c.StringSlice("add"), c.StringSlice("drop")
	o.accounts, o.grantTokens = c.StringSlice("account"), c.StringSlice("grant-tokens")
	o.viaDecrypt, o.sharePair = c.Bool("via-decrypt"), c.Bool("share-pair")
	o.keepTime, o.args = c.Bool("preserve-mtime"), c.Args().Slice()
	if o.maxSlots = c.Int("max-slots"); o.maxSlots < 0 {
		return o, exit.Errorf(exit.Usage, "", "--max-slots %d is negative", o.maxSlots)
	}
	o.requirements, err = keys.ParseRequirements(c.StringSlice("require-context"))
	return o, err
}

// check refuses what does not go together.
func (o *rewrapOptions) check() error {
	switch {
	case len(o.to)+len(o.add)+len(o.drop) == 0:
		return exit.Errorf(exit.Usage, "try `envseal rewrap --to KEY FILE`",
			"nothing to do: --to, --add or --drop is needed")
	case o.Update && len(o.to) == 0:
		return exit.Errorf(exit.Usage, "", "--update goes with --to")
	case len(o.to) > 0 && len(o.add)+len(o.drop) > 0:
		return exit.Errorf(exit.Usage, "to keep the other keys, use --add and --drop without --to",
			"--to leaves no other key, and goes with neither --add nor --drop")
	}
	return nil
}

// rewrapping is what one rewrap command does to each of its files.
type rewrapping struct {
	rewrapOptions
	change keyring.Rewrap
	update []keyring.Destination // files that are for exactly these are left out
	sum    rewrapSum
}

func runRewrap(ctx context.Context, o rewrapOptions) error {
	b, err := batch.NewNamed(flags.Rewrap, o.Work, o.args)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	svc := keys.NewServices(o.aws, o.store)
	defer svc.Close()
	keys.Harden(o.AllowCoreDumps)
	r := &rewrapping{rewrapOptions: o}
	if err := r.findKeys(ctx, svc); err != nil {
		return err
	}
	r.sum.many = len(b.Names) > 1
	forget := proc.AtExit(r.interrupted)
	defer forget()
	err = b.Run(ctx, r.file)
	r.sumUp()
	return err
}

// findKeys finds out what is to become of slots.
func (r *rewrapping) findKeys(ctx context.Context, svc *keys.Services) (err error) {
	r.change = keyring.Rewrap{
		Client: svc.ForARN, Accounts: r.accounts, Region: r.aws.Region, GrantTokens: r.grantTokens,
		ViaDecrypt: r.viaDecrypt, SharePair: r.sharePair, DryRun: r.DryRun,
	}
	if r.change.To, err = svc.Destinations(ctx, r.to); err != nil {
		return err
	}
	if r.change.Add, err = svc.Destinations(ctx, r.add); err != nil {
		return err
	}
	if r.change.Drop, err = slotKeys(ctx, svc, r.drop, r.grantTokens); err != nil {
		return err
	}
	if r.Update {
		r.update, err = updated(ctx, r.change.To, r.grantTokens)
	}
	return err
}

// slotKeys turns references into what slots can have: key ARNs and key ids. Only an alias takes a
// call.
func slotKeys(ctx context.Context, svc *keys.Services,
	refs, grantTokens []string) ([]string, error) {
	var all []string
	for _, ref := range refs {
		if keys.NamesOneKey(ref) {
			all = append(all, ref)
			continue
		}
		key, err := svc.ResolveKnown(ctx, ref)
		if err != nil {
			return nil, err
		}
		meta, err := key.Client.DescribeKey(ctx, key.ID, kmsclient.Options{GrantTokens: grantTokens})
		if err != nil {
			return nil, err
		}
		all = append(all, meta.ARN)
	}
	return all, nil
}

// file re-wraps one file.
func (r *rewrapping) file(ctx context.Context, name string) error {
	r.sum.tried.Add(1)
	p, err := inplace.Open(name, r.Force)
	if err != nil {
		return err
	}
	defer p.Close()
	if r.keepTime {
		p.ModKept = p.Stat.ModTime
	}
	old, h, err := r.read(p)
	if err != nil {
		return err
	}
	if done, err := keyring.HasExactly(h, r.update); err != nil || done {
		return r.leaveOut(name, err)
	}
	var events []keyring.SlotEvent
	change := r.change
	change.OnChange = func(e keyring.SlotEvent) { events = append(events, e) }
	changed, err := envelope.Rewrap(ctx, h, &change)
	if err != nil {
		return explainRewrap(err)
	}
	if r.change.DryRun {
		r.report(name, events)
		r.sum.done.Add(1)
		return nil
	}
	start := time.Now()
	how, err := r.write(p, old, changed)
	if err != nil {
		return err
	}
	r.report(name, events)
	r.sum.done.Add(1)
	if r.Verbose {
		ui.Note("%s: header written %s in %s",
			ui.ShownInput(name), how, time.Since(start).Round(time.Microsecond))
	}
	return nil
}

// read gives the header, as bytes too, if the policy allows the file.
func (r *rewrapping) read(p *inplace.File) ([]byte, *format.Header, error) {
	old, err := r.header(p)
	if err != nil {
		return nil, nil, err
	}
	h, err := format.ParseHeader(old, format.Limits{MaxSlots: r.maxSlots})
	if err != nil {
		return nil, nil, err
	}
	if err := r.requirements.Check(h); err != nil {
		return nil, nil, err
	}
	return old, h, nil
}

// header reads the file's header, and first puts right what an interrupted rewrap left. A dry run
// leaves it.
func (r *rewrapping) header(p *inplace.File) ([]byte, error) {
	if r.change.DryRun {
		head, _, err := p.SoundHead()
		return head, err
	}
	return p.Mend()
}

// write puts the new header into the file, and says how.
func (r *rewrapping) write(p *inplace.File, old []byte,
	changed *format.Header) (how string, err error) {
	if err := p.MayKeepTime(); err != nil {
		return "", err
	}
	new, err := inplace.MarshalFor(changed, int64(len(old)), p.Size)
	if err != nil {
		return "", err
	}
	if len(new) != len(old) {
		return "with a copy of the file", p.Replace(old, new, r.Force)
	}
	if !p.IsStill(old) {
		return "", p.ChangedError()
	}
	if err := p.Overwrite(old, new); err != nil {
		return "", exit.Errorf(exit.Output, inplace.Hint(err), "%s: %w", ui.Shown(p.Path()), err)
	}
	return "in place", nil
}
