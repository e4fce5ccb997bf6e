package encrypt

import (
	"errors"

	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/envelope"
	"github.com/urfave/cli/v2"
)

// compressFlag is -z, --compress[=LEVEL].
func compressFlag() cli.Flag {
	f := &cli.GenericFlag{Name: "compress", Aliases: []string{"z"}, Category: flags.CatFiles,
		Usage: "compress with zstd first; --compress=LEVEL is fastest (as without it), good, or better, which takes twice the time; the size of the sealed file then tells something about its content"}
	fastest := envelope.LevelFastest.String()
	return flags.OptionalValue(f, fastest, parseLevel, fastest, envelope.LevelGood.String(),
		envelope.LevelBetter.String())
}

func parseLevel(s string) (envelope.Level, error) {
	level, err := envelope.ParseLevel(s)
	if err != nil {
		err = errors.New("--compress=LEVEL takes fastest, as without LEVEL, good or better")
	}
	return level, err
}
