package awskms

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestMFAOutlivesItsCall: somebody still types the code that a cancelled call wanted, when the next
// call waits for the same code.
func TestMFAOutlivesItsCall(t *testing.T) {
	const limit = 40 * time.Millisecond
	asked, typed, ended := make(chan bool), make(chan bool), make(chan error)
	code := &mfa{ask: func() (string, error) { asked <- true; <-typed; return "123456", nil }}
	stop := code.bound(time.Minute, func() {})
	go func() { _, err := code.token(); ended <- err }()
	<-asked
	stop()
	var late atomic.Bool
	stop = code.bound(limit, func() { late.Store(true) })
	defer stop()
	time.Sleep(3 * limit)
	if late.Load() {
		t.Error("the time of typing counted")
	}
	typed <- true
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); !late.Load(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the clock did not go on")
		}
	}
}
