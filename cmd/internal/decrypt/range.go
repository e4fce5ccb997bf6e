package decrypt

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/transfer"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
)

func rangeFlag() cli.Flag {
	return &cli.StringFlag{Name: "range", Category: flags.CatFiles,
		Usage: "open LEN bytes at offset OFF of the data only, `OFF:LEN`, to stdout or -o; OFF may be negative, from the end; without LEN to the end; 1:2KiB, 3G:, -1MiB:"}
}

// byteRange is a piece of the plaintext.
type byteRange struct {
	offset  int64 // from the end if fromEnd
	length  int64 // -1: to the end
	fromEnd bool
}

// parseRange reads --range; nil if it was not given.
func parseRange(text string, given bool) (*byteRange, error) {
	if !given {
		return nil, nil
	}
	wrong := exit.Errorf(exit.Usage, "OFF:LEN, such as 3GiB:1MiB, -100: or 0:4096",
		"--range %q is not a range", text)
	first, second, ok := strings.Cut(text, ":")
	if !ok || strings.HasPrefix(second, "-") {
		return nil, wrong
	}
	r := &byteRange{length: -1}
	first, r.fromEnd = strings.CutPrefix(first, "-")
	var err error
	if r.offset, err = flags.ParseSize(first); err != nil || r.offset < 0 {
		return nil, wrong
	}
	if second != "" {
		if r.length, err = flags.ParseSize(second); err != nil {
			return nil, wrong
		}
	}
	return r, nil
}

// of gives begin and end of the range in a plaintext of size bytes, in all of which it must lie.
func (r *byteRange) of(size int64) (begin, end int64, err error) {
	begin = r.offset
	if r.fromEnd {
		begin = size - r.offset
	}
	end = size
	if r.length >= 0 {
		end = begin + r.length
	}
	if begin < 0 || begin > size || end > size {
		return 0, 0, exit.Errorf(exit.Usage, "",
			"the range is not within the data, which has %d bytes", size)
	}
	return begin, end, nil
}

// openRange writes a range of the plaintext, and reads the chunks only that it needs: the header,
// the last chunk, by which the size is known to be that of the whole file, then those of the range.
func (o *opening) openRange(ctx context.Context, j *transfer.Job, options envelope.OpenOptions,
	id envelope.Identity) (*format.Header, error) {
	in := j.In
	if !in.Regular {
		return nil, exit.Errorf(exit.Usage,
			"open all of it instead, and cut: | tail -c +OFF | head -c LEN",
			"a range needs a file that can be read at any place, not a pipe or device")
	}
	at, err := envelope.OpenAt(ctx, offsetReader{in, in.Offset()}, in.Left, options, id)
	if err != nil {
		return nil, rangeError(err)
	}
	defer at.Close()
	begin, end, err := o.bytes.of(at.Size())
	if err != nil {
		return at.Header(), err
	}
	if options.MaxSize > 0 && end-begin > options.MaxSize {
		return at.Header(), envelope.ErrMaxSize
	}
	j.Bar.Expect(end - begin)
	return at.Header(), copyRange(j.Dst, at, begin, end, j.Bar)
}

// rangeError has a hint for armor, in which nothing lies where it should.
func rangeError(err error) error {
	if errors.Is(err, format.ErrArmored) {
		return exit.Errorf(exit.Usage, "take the armor off first, or open all of it",
			"a range needs a sealed file that is not armored")
	}
	return err
}

// rangeStep is how much is read at a time, from one multiple to the next: a whole number of chunks,
// and a frame of a compressed file.
const rangeStep = 1 << 20

func copyRange(dst io.Writer, at *envelope.ReaderAt, begin, end int64, p *ui.Progress) error {
	step := int64(max(rangeStep, at.Header().ChunkSize()))
	buf := make([]byte, min(step, end-begin))
	defer clear(buf)
	for begin < end {
		n := min(step-begin%step, end-begin)
		if _, err := at.ReadAt(buf[:n], begin); err != nil {
			return err
		}
		if _, err := dst.Write(buf[:n]); err != nil {
			return err
		}
		begin += n
		p.Add(n)
	}
	return nil
}

// offsetReader is a ReaderAt whose offset 0 is at start: standard input may come with a position.
type offsetReader struct {
	io.ReaderAt
	start int64
}

func (r offsetReader) ReadAt(p []byte, off int64) (int, error) {
	return r.ReaderAt.ReadAt(p, r.start+off)
}
