package cmd

import (
	"errors"

	"github.com/envseal/envseal/envelope"
	"github.com/urfave/cli/v2"
)

// compressFlag is -z, --compress[=LEVEL].
func compressFlag() cli.Flag {
	return optionalValue{&cli.GenericFlag{Name: "compress", Aliases: []string{"z"}, Category: catFiles, Value: new(compressLevel),
		Usage: "compress with zstd first; --compress=LEVEL is fastest (as without it), good, or better, which takes twice the time; the size of the sealed file then tells something about its content"}}
}

// compressLevel is a flag whose value may be left out.
type compressLevel envelope.Level

// Set implements cli.Generic.
func (l *compressLevel) Set(s string) error {
	switch s {
	case "true": // what the flag parser says where there is no value
		s = envelope.LevelFastest.String()
	case "false":
		s = envelope.LevelNone.String()
	}
	level, err := envelope.ParseLevel(s)
	if err != nil {
		return errors.New("--compress=LEVEL takes fastest, as without LEVEL, good or better")
	}
	*l = compressLevel(level)
	return nil
}

func (l *compressLevel) String() string {
	if l == nil || *l == 0 {
		return ""
	}
	return envelope.Level(*l).String()
}

// IsBoolFlag lets the value be left out.
func (l *compressLevel) IsBoolFlag() bool { return true }

// Words are the levels, for completion.
func (l *compressLevel) Words() []string {
	return []string{envelope.LevelFastest.String(), envelope.LevelGood.String(), envelope.LevelBetter.String()}
}

// compressionOf is the level that the user asked for.
func compressionOf(c *cli.Context) envelope.Level {
	if l, ok := c.Generic("compress").(*compressLevel); ok {
		return envelope.Level(*l)
	}
	return envelope.LevelNone
}

// checkLevel refuses a level of compression that stands where a file does: what it was meant for would be compressed otherwise, and to tell by a missing file is too late.
func (b *batch) checkLevel() error {
	if b.list || !b.c.IsSet("compress") {
		return nil
	}
	for _, name := range b.names {
		if _, err := envelope.ParseLevel(name); err == nil && !isThere(name) {
			return fail(exitUsage, "write --compress="+name, "%s: no such file", name)
		}
	}
	return nil
}

// decompressFlags are those of commands that open compressed files.
func decompressFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "no-decompress", Category: catFiles, Usage: "give out the zstd stream of a compressed file as it is"},
		&cli.StringFlag{Name: "max-size", Category: catPolicy, Usage: "stop before more than `BYTES` (such as 10GiB) come out of a file: a small compressed one can hold any amount"},
	}
}

// decompression reads decompressFlags into o.
func decompression(c *cli.Context, o *envelope.OpenOptions) error {
	o.NoDecompress = c.Bool("no-decompress")
	text := c.String("max-size")
	if !c.IsSet("max-size") {
		return nil
	}
	n, err := parseSize(text)
	if err != nil || n <= 0 {
		return fail(exitUsage, "a number of bytes, such as 500M or 10GiB", "--max-size %q is not a size", text)
	}
	o.MaxSize = n
	return nil
}
