package encrypt

import (
	"errors"

	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/envelope"
	"github.com/urfave/cli/v2"
)

// compressFlag is -z, --compress[=LEVEL].
func compressFlag() cli.Flag {
	return flags.OptionalValue(&cli.GenericFlag{Name: "compress", Aliases: []string{"z"}, Category: flags.CatFiles, Value: new(compressLevel),
		Usage: "compress with zstd first; --compress=LEVEL is fastest (as without it), good, or better, which takes twice the time; the size of the sealed file then tells something about its content"},
		envelope.LevelFastest.String(), envelope.LevelGood.String(), envelope.LevelBetter.String())
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

// compressionOf is the level that the user asked for.
func compressionOf(c *cli.Context) envelope.Level {
	if l, ok := c.Generic("compress").(*compressLevel); ok {
		return envelope.Level(*l)
	}
	return envelope.LevelNone
}
