package cmd

import (
	"bufio"
	"bytes"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
)

// A detached header is the header of a sealed file in a file of its own; the payload file has the chunks alone.

func sealHeaderFlag() cli.Flag {
	return &cli.StringFlag{Name: "header", Category: catFiles, Usage: "write the header to `FILE`, which must not exist, and the chunks alone to the output: keys can then be changed without the data"}
}

func openHeaderFlag() cli.Flag {
	return &cli.StringFlag{Name: "header", Category: catFiles, Usage: "the header is in `FILE`, and the input has the chunks alone"}
}

// checkHeader refuses one header for several files.
func (b *batch) checkHeader() error {
	switch name := b.c.String("header"); {
	case name == "-":
		return fail(exitUsage, "", "--header takes the name of a file")
	case name != "" && len(b.names) > 1:
		return fail(exitUsage, "run it once for each file", "--header goes with one file, %d are given", len(b.names))
	}
	return nil
}

// openHeader makes in ready to be opened or verified, and gives the options for that: with the header that --header names, or with that of the file itself, from the
// journal where an interrupted rewrap has torn it.
func openHeader(c *cli.Context, in *input, o envelope.OpenOptions) (envelope.OpenOptions, error) {
	name := c.String("header")
	if name == "" {
		return o, in.useJournal()
	}
	var err error
	if in.apart == nil {
		err = in.openApart(name, c.Bool("verify-first"))
	} else if in.apart.regular {
		err = in.apart.rewind()
	}
	if err == nil && in.detached == nil {
		err = in.apart.useJournal()
	}
	if err != nil {
		return o, err
	}
	o.Header = bytes.NewReader(in.detached)
	if in.detached == nil {
		o.Header = bufio.NewReader(in.apart)
	}
	return o, nil
}

// openApart opens the file name, which has the header of in, until in is closed. What is needed again is kept where it can be read only once.
func (in *input) openApart(name string, again bool) (err error) {
	if in.apart, err = openInput(name); err != nil || in.apart.regular || !again {
		return err
	}
	in.detached, err = io.ReadAll(io.LimitReader(in.apart, format.MaxHeader+1))
	if len(in.detached) > mostKept {
		runtime.GC() // what that took was several times as much
	}
	return err
}

// inputs are in, what else the command needs and, where it is read, the file of --header: the output must not be that either, as the payload could not be opened any more.
func (t *transfer) inputs(in *input) []*input {
	all := append([]*input{in}, ownFilesOf(t.c)...)
	if name := t.c.String("header"); name != "" && t.header == "" {
		if info, err := os.Stat(name); err == nil { // who opens it says what is wrong
			all = append(all, &input{name: name, info: info})
		}
	}
	return all
}

// detached is the output of a payload and its header: both appear, or neither.
type detached struct {
	sink
	header  *output
	payload string // target of the sink, "-" for stdout
}

// withHeader adds the header file name to the output out of in, which goes to payload. Without a name it gives out back. On an error, out is aborted.
//
// A header file is never replaced, whatever --force says: it may be the only way to open some payload.
func withHeader(out *output, name, payload string, in *input) (sink, error) {
	if name == "" {
		return out, nil
	}
	header, err := createHeader(name, out, in)
	if err != nil {
		out.Abort()
		return nil, err
	}
	return &detached{sink: out, header: header, payload: payload}, nil
}

func createHeader(name string, out *output, in *input) (*output, error) {
	if info, err := os.Lstat(name); err == nil && info.Mode()&(fs.ModeDevice|fs.ModeNamedPipe) == 0 {
		return nil, fail(exitOutput, "a header is never replaced, since its payload could not be opened any more: choose another name", "%s: exists already", shown(name))
	}
	return createOutput(name, outputOptions{perm: sealedPerm(in), noSync: out.noSync, dryRun: out.dryRun, inputs: []*input{in}})
}

func (d *detached) durable() bool { return d.sink.durable() && d.header.durable() }

// headerWriter is where the header goes that belongs to the chunks in dst, nil for dst itself.
func headerWriter(dst io.Writer) io.Writer {
	if d, ok := dst.(*detached); ok {
		return d.header
	}
	return nil
}

// Commit makes the header appear first, and then the payload, when both are on the disk: two names cannot appear at once. Should the process end in the moment
// between, there is a header without a payload, which is of no use and does no harm; the other way round it would be data that nobody can open.
func (d *detached) Commit() error {
	if o, ok := d.sink.(*output); ok {
		if err := o.settle(); err != nil { // the payload's long way to the disk comes before that moment
			return o.failure(err)
		}
	}
	info, err := d.header.file.Stat()
	if err == nil {
		err = d.header.Commit()
	}
	if err != nil {
		return err
	}
	if err := d.checkNames(info); err != nil {
		d.removeHeader(info)
		return err
	}
	if err := d.sink.Commit(); err != nil {
		d.removeHeader(info)
		return err
	}
	return nil
}

// checkNames refuses a payload that would replace its own header, under whatever name.
func (d *detached) checkNames(header os.FileInfo) error {
	if d.payload == "-" || d.header.direct {
		return nil
	}
	if there, err := os.Lstat(d.payload); err == nil && os.SameFile(there, header) {
		return fail(exitOutput, "give the header another name", "%s: is the header as well", shown(d.payload))
	}
	return nil
}

// removeHeader takes back the header whose payload did not appear.
func (d *detached) removeHeader(info os.FileInfo) {
	if now, err := os.Lstat(d.header.target); err == nil && !d.header.direct && os.SameFile(now, info) {
		_ = os.Remove(d.header.target)
	}
}

// Abort gives up both. After Commit it does nothing.
func (d *detached) Abort() {
	d.sink.Abort()
	d.header.Abort()
}
