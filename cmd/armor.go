package cmd

import (
	"io"

	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
)

func armorFlag() cli.Flag {
	return &cli.BoolFlag{Name: "armor", Aliases: []string{"a"}, Category: catFiles, Usage: "write the sealed file as text (PEM), a third larger; decrypt, verify and inspect know it by themselves"}
}

// armored writes what work writes as armor to dst.
func armored(dst io.Writer, work func(dst io.Writer) error) error {
	w := format.NewArmorWriter(dst)
	if err := work(w); err != nil {
		return err // without an END line
	}
	return w.Close()
}

// unarmored is src, which reads in from its beginning, without its armor. With a detached header there is none, as chunks may begin with any byte.
func unarmored(src io.Reader, in *input, detached bool) (io.Reader, error) {
	var first [1]byte
	switch {
	case detached:
		return givesUp(src, in), nil
	case in.regular: // whose position stays where it is, for the direct path
		if n, _ := in.ReadAt(first[:], in.start()); n == 1 && !format.MayBeArmor(first[0]) {
			return src, nil
		}
	}
	plain, _, err := format.Unarmored(src)
	if err != nil {
		return nil, err
	}
	return givesUp(plain, in), nil
}
