package cmd

import "io"

// released tells whether anything has left the process through dst that cannot be taken back: a pipe, a device and a command have what was written to them at once, a file that appears
// when it is whole has nothing.
func released(dst io.Writer) bool {
	switch out := dst.(type) {
	case *output:
		return out.wrote.Load()
	case *consumer:
		return out.child != nil
	}
	return false
}

// discarding adds to the hint of a failed opening what is to be done with what came out before.
func discarding(dst io.Writer, err error) error {
	if !released(dst) {
		return err
	}
	code, hint := explain(err)
	if code == exitConsumer { // which has failed by itself
		return err
	}
	const discard = "what came out must be discarded"
	if hint != "" {
		hint += "; "
	}
	return &exitError{code: code, err: err, hint: hint + discard}
}
