//go:build !linux

package secret

type signalMask struct{}

// blockSignals does nothing: outside Linux the C library owns the mask.
func blockSignals() signalMask { return signalMask{} }

func (signalMask) restore() {}
