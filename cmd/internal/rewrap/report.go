package rewrap

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/kmsclient/keyring"
)

// rewrapSum is what has come of the files so far.
type rewrapSum struct {
	many    bool
	tried   atomic.Int64
	done    atomic.Int64
	left    atomic.Int64 // out, by --update
	exposed atomic.Int64 // slots whose key was in this process
}

// report says what was changed, or in a dry run what would be. Of one of many files, as the other
// commands do, only if the user wants to know it.
func (r *rewrapping) report(name string, events []keyring.SlotEvent) {
	would := ""
	if r.change.DryRun {
		would = "would be: "
	}
	for _, e := range events {
		kind, how := "", ""
		if e.Pair {
			kind = "key pair of "
		}
		if e.Decrypted {
			how = ", by Decrypt and Encrypt"
		}
		terse := r.sum.many && !r.Verbose
		if e.Decrypted && !r.change.DryRun {
			r.decrypted(name, e.From, terse)
		}
		switch {
		case r.Quiet, terse && !r.change.DryRun && !e.Kept:
		case e.Kept && e.From == "":
			ui.Note("%s: kept a slot of a type that this version does not know", ui.ShownInput(name))
		case e.Kept:
			ui.Note("%s: kept %s%s: this version does not know its scheme",
				ui.ShownInput(name), kind, e.From)
		case e.To == "":
			ui.Note("%s: %s%s%s dropped", ui.ShownInput(name), would, kind, e.From)
		default:
			ui.Note("%s: %s%s%s -> %s%s",
				ui.ShownInput(name), would, kind, e.From, keys.TypedKey(slices.Concat(r.to, r.add), e.To), how)
		}
	}
}

// explainRewrap says what to type where only this command can know it.
func explainRewrap(err error) error {
	switch {
	case errors.Is(err, keyring.ErrOtherRegion):
		return exit.Errorf(exit.Refused, "--via-decrypt gets there by Decrypt into locked memory of this process and Encrypt, and needs both permissions", "%w", err)
	case errors.Is(err, envelope.ErrLastSlot):
		return exit.Errorf(exit.Usage, "add another key in the same run: --add NEW --drop OLD", "%w", err)
	case errors.Is(err, keyring.ErrSharesPair):
		return exit.Errorf(exit.Policy, "--share-pair does it all the same; to hand over this file alone, decrypt it and encrypt it for the other key", "%w", err)
	case errors.Is(err, keyring.ErrNoSlot):
		return exit.Errorf(exit.Refused, "`envseal inspect FILE` shows the slots", "%w", err)
	}
	return err
}

// decrypted says that the key in a slot has been in the memory of this process; of one of many
// files, that it was so is counted.
func (r *rewrapping) decrypted(name, keyID string, terse bool) {
	if terse {
		r.sum.exposed.Add(1)
		return
	}
	ui.Warn("%s: the key in the slot of %s was decrypted in this process, for another Region",
		ui.ShownInput(name), keyID)
}

// sumUp says what has come of many files.
func (r *rewrapping) sumUp() {
	r.warnExposed()
	if !r.sum.many || r.Quiet {
		return
	}
	tried, done, left := r.sum.tried.Load(), r.sum.done.Load(), r.sum.left.Load()
	said := ui.Plural(int(done), "file") + " re-wrapped"
	if r.change.DryRun {
		said = ui.Plural(int(done), "file") + " would be re-wrapped"
	}
	for _, part := range []struct {
		n    int64
		what string
	}{{left, "left out"}, {tried - done - left, "failed"}} {
		if part.n > 0 {
			said += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	ui.Note("%s", said)
}

func (r *rewrapping) warnExposed() {
	if n := int(r.sum.exposed.Load()); n > 0 {
		ui.Warn("the keys in %s were decrypted in this process, for another Region", ui.Plural(n, "slot"))
	}
}

// interrupted runs when a signal ends the process.
func (r *rewrapping) interrupted() {
	r.warnExposed()
	if n := int(r.sum.done.Load()); r.sum.many && n > 0 && !r.change.DryRun {
		hint := ""
		if len(r.change.To) > 0 {
			hint = "; --update leaves them out next time"
		}
		ui.Note("%s re-wrapped%s", ui.Plural(n, "file"), hint)
	}
}
