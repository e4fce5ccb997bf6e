package cmd

import (
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// outputPair is the output of a payload and its header: both appear, or neither.
type outputPair struct {
	*output // the payload
	header  *output
}

// newPair makes one output of two, of which the header appears first.
func newPair(payload, header *output) *outputPair { return &outputPair{payload, header} }

func (d *outputPair) durable() bool { return d.output.durable() && d.header.durable() }

// Commit makes the header appear first, and then the payload, when both are on the disk: two names
// cannot appear at once. Should the process end in the moment between, there is a header without a
// payload, which is of no use and does no harm; the other way round it would be data that nobody can
// open.
func (d *outputPair) Commit() error {
	if err := d.stage(); err != nil { // the payload's long way to the disk comes before that moment
		return d.failure(err)
	}
	defer d.header.end()
	if err := d.header.commit(); err != nil {
		return d.header.failure(err)
	}
	err := d.checkNames()
	if err == nil {
		err = d.output.Commit()
	}
	if err != nil && !d.header.direct {
		d.header.withdraw()
	}
	return err
}

// checkNames refuses a payload that would replace its own header, under whatever name.
func (d *outputPair) checkNames() error {
	if d.direct || d.header.direct {
		return nil
	}
	header, err := statFD(d.header.fd)
	if err != nil {
		return d.header.failure(err)
	}
	if there, err := d.dir.stat(d.base, false); err == nil && there.fileID == header.fileID {
		return exit.Errorf(exit.Output, "give the header another name", "%s: is the header as well",
			ui.Shown(d.target))
	}
	return nil
}

// Abort gives up both. After Commit it does nothing.
func (d *outputPair) Abort() {
	d.output.Abort()
	d.header.Abort()
}
