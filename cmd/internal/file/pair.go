package file

import (
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// Pair is the output of a payload and its header: both appear, or neither.
type Pair struct {
	*Output // the payload
	header  *Output
}

// NewPair makes one output of two, of which the header appears first.
func NewPair(payload, header *Output) *Pair { return &Pair{payload, header} }

// Durable is durable of both.
func (d *Pair) Durable() bool { return d.Output.Durable() && d.header.Durable() }

// Commit makes the header appear first, and then the payload, when both are on the disk: two names
// cannot appear at once. Should the process end in the moment between, there is a header without a
// payload, which is of no use and does no harm; the other way round it would be data that nobody
// can open.
func (d *Pair) Commit() error {
	if err := d.stage(); err != nil { // the payload's long way to the disk comes before that moment
		return d.Failure(err)
	}
	defer d.header.end()
	if err := d.header.commit(); err != nil {
		return d.header.Failure(err)
	}
	err := d.checkNames()
	if err == nil {
		err = d.Output.Commit()
	}
	if err != nil && !d.header.Direct {
		d.header.withdraw()
	}
	return err
}

// checkNames refuses a payload that would replace its own header, under whatever name.
func (d *Pair) checkNames() error {
	if d.Direct || d.header.Direct {
		return nil
	}
	header, err := statFD(d.header.fd)
	if err != nil {
		return d.header.Failure(err)
	}
	if there, err := d.dir.Look(d.base, false); err == nil && there.ID == header.ID {
		return exit.Errorf(exit.Output, "give the header another name", "%s: is the header as well",
			ui.Shown(d.target))
	}
	return nil
}

// Abort gives up both. After Commit it does nothing.
func (d *Pair) Abort() {
	d.Output.Abort()
	d.header.Abort()
}
