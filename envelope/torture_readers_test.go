//go:build torture

package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// input is a file as a reader is handed it, after something happened to it.
type input struct {
	*shape
	file []byte
	head []byte
}

// opened is what a reader made of an input.
type opened struct {
	err   error
	out   *sink // what came out
	plain bool  // out is to be compared with the plaintext, not with the stream
}

// reader is one of the ways in which envseal reads a file.
type reader struct {
	name string
	// fits tells whether the reader is for such files at all
	fits func(s *shape) bool
	read func(in input) opened
}

func anyShape(*shape) bool     { return true }
func seekable(s *shape) bool   { return !s.armored }
func wholeInOne(s *shape) bool { return !s.armored && s.head == nil }
func (in input) options(workers int) envelope.OpenOptions {
	o := envelope.OpenOptions{Workers: workers}
	if in.head != nil {
		o.Header = bytes.NewReader(in.head)
	}
	return o
}

// source is the sealed file, out of its armor.
func (in input) source() (io.Reader, error) {
	if !in.armored {
		return bytes.NewReader(in.file), nil
	}
	src, _, err := format.Unarmored(bytes.NewReader(in.file))
	return src, err
}

// out is where the plaintext goes, or the stream of a compressed file.
func (in input) out(plain bool) *sink {
	switch {
	case plain && in.compressed():
		return &sink{want: in.plain, unit: frameSize}
	case plain:
		return &sink{want: in.plain, unit: 1 << in.log}
	}
	return &sink{want: in.stream, unit: 1 << in.log}
}

// readers are all of them; the first is the cheapest that takes any shape.
var readers = []reader{
	{"AppendOpened", wholeInOne, readWhole},
	{"Open", anyShape, func(in input) opened { return readStream(in, 1, false) }},
	{"Open, 3 workers", anyShape, func(in input) opened { return readStream(in, 3, false) }},
	{"Open, no decompression", func(s *shape) bool { return s.compressed() },
		func(in input) opened { return readStream(in, 1, true) }},
	{"Verify", anyShape, readVerify},
	{"OpenTo", seekable, readTo},
	{"OpenAt", seekable, readAt},
}

// readWhole takes the stream of a compressed file, since AppendOpened does not decompress.
func readWhole(in input) opened {
	o := in.options(1)
	o.NoDecompress = true
	out := in.out(false)
	got, _, err := envelope.AppendOpened(context.Background(), nil, in.file, o, in.id)
	if err != nil && len(got) > 0 {
		out.wrong = fmt.Sprintf("%d bytes with an error", len(got))
	}
	if err == nil {
		_, _ = out.Write(got)
	}
	return opened{err, out, false}
}

func readStream(in input, workers int, raw bool) opened {
	out := in.out(!raw)
	src, err := in.source()
	if err != nil {
		return opened{err, out, !raw}
	}
	o := in.options(workers)
	o.NoDecompress = raw
	_, err = envelope.Open(context.Background(), out, src, o, in.id)
	return opened{err, out, !raw}
}

func readVerify(in input) opened {
	src, err := in.source()
	if err == nil {
		_, err = envelope.Verify(context.Background(), src, in.options(2), in.id)
	}
	out := in.out(true)
	if err == nil {
		out.written = int64(len(out.want)) // it says that all is well, and writes nothing
	}
	return opened{err, out, true}
}

func readTo(in input) opened {
	out := in.out(true)
	_, err := envelope.OpenTo(context.Background(), out, bytes.NewReader(in.file),
		int64(len(in.file)), in.options(1), in.id)
	return opened{err, out, true}
}

// readAt reads everything piece by piece. It reads on after a damaged chunk.
func readAt(in input) opened {
	out := in.out(true)
	r, err := envelope.OpenAt(context.Background(), bytes.NewReader(in.file),
		int64(len(in.file)), in.options(1), in.id)
	if err != nil {
		return opened{err, out, true}
	}
	defer r.Close()
	if r.Size() != int64(len(out.want)) {
		out.wrong = fmt.Sprintf("says it has %d bytes", r.Size())
	}
	piece := make([]byte, out.unit)
	for off := int64(0); off < r.Size(); off += out.unit {
		n, readErr := r.ReadAt(piece, off)
		if readErr != nil && !errors.Is(readErr, io.EOF) {
			err = readErr
			if n > 0 {
				out.wrong = fmt.Sprintf("%d bytes of a damaged chunk", n)
			}
			continue
		}
		_, _ = out.WriteAt(piece[:n], off)
	}
	return opened{err, out, true}
}

// refused tells whether an error may be said of a file that somebody without its key has changed:
// exit codes 4 and 7.
func refused(err error) bool { return isDamage(err) }

// judge is for what nobody without the key can do: the reader must have refused it in the right
// words, and let go of authentic chunks only.
func (c *tally) judge(what string, r reader, in input, o opened) {
	c.trials.Add(1)
	switch {
	case o.err == nil:
		c.violation("%s, %s, %s: accepted", in.name, what, r.name)
	case !refused(o.err):
		c.violation("%s, %s, %s: the refusal is of the wrong kind: %v", in.name, what, r.name, o.err)
	case o.out.wrong != "":
		c.violation("%s, %s, %s: %s, then %v", in.name, what, r.name, o.out.wrong, o.err)
	}
}

// errorOfKeys tells whether a file was refused because no key service or pair gives its data key:
// exit code 5.
func errorOfKeys(err error) bool {
	return errors.Is(err, errKeyService) || errors.Is(err, envelope.ErrNoMatch)
}
