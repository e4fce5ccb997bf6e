package transfer

import (
	"bufio"
	"bytes"
	"io"
	"runtime"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/inplace"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// A detached header is the header of a sealed file in a file of its own; the payload file has the
// chunks alone.

// Header is where the header of an input is found that has the chunks alone. The zero value is
// for an input that has its own. It belongs to one input.
type Header struct {
	Name  string // of the file, "" for none
	Again bool   // it is read twice, as by --verify-first
	in    *file.Input
	bytes []byte // what is needed again of a file that can be read only once
}

// Prepare makes in ready to be opened or verified, and gives the options for that: with the
// detached header, or with that of the file itself, from the journal where an interrupted rewrap
// has torn it. It may be called again to read once more.
func (f *Header) Prepare(in *file.Input, o envelope.OpenOptions) (envelope.OpenOptions, error) {
	if f.Name == "" {
		return o, inplace.UseJournal(in)
	}
	var err error
	if f.in == nil {
		err = f.open()
	} else if f.in.Regular {
		err = f.in.Rewind()
	}
	if err == nil && f.bytes == nil {
		err = inplace.UseJournal(f.in)
	}
	if err != nil {
		return o, err
	}
	o.Header = bytes.NewReader(f.bytes)
	if f.bytes == nil {
		o.Header = bufio.NewReader(f.in)
	}
	return o, nil
}

func (f *Header) open() (err error) {
	if f.in, err = file.Open(f.Name); err != nil || f.in.Regular || !f.Again {
		return err
	}
	f.bytes, err = io.ReadAll(io.LimitReader(f.in, format.MaxHeader+1))
	if len(f.bytes) > inplace.MostKept {
		runtime.GC() // what that took was several times as much
	}
	return err
}

// Close ends the use.
func (f *Header) Close() {
	if f.in != nil {
		f.in.Close()
	}
}

// withHeader adds the header file, if there is to be one, to the output out of in. On an error, out
// is aborted.
//
// A header file is never replaced, whatever --force says: it may be the only way to open some
// payload.
func (t *Transfer) withHeader(out *file.Output, in *file.Input) (Destination, error) {
	if t.Header == "" {
		return Destination{Sink: out, File: out}, nil
	}
	header, err := t.createHeader(out, in)
	if err != nil {
		out.Abort()
		return Destination{}, err
	}
	return Destination{Sink: file.NewPair(out, header), File: out, Header: header}, nil
}

func (t *Transfer) createHeader(out *file.Output, in *file.Input) (*file.Output, error) {
	if there, err := file.StatPath(t.Header, false); err == nil && !there.IsDirect() {
		return nil, exit.Errorf(exit.Output,
			"a header is never replaced, since its payload could not be "+
				"opened any more: choose another name", "%s: exists already", ui.Shown(t.Header))
	}
	return file.Create(t.Header, file.Options{
		Perm: file.SealedPerm(&in.Stat), NoSync: out.NoSync, DryRun: out.DryRun,
		Inputs: []file.Guarded{in.Guard()},
	})
}
