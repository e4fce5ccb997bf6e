package awskms_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
)

// TestMain is also the entry of the processes that tests start: ENVSEAL_TEST_CHILD names what to
// do.
func TestMain(m *testing.M) {
	switch os.Getenv("ENVSEAL_TEST_CHILD") {
	case "":
		os.Exit(testhome.Run(m.Run))
	case "describe":
		os.Exit(describe())
	case "hold":
		os.Exit(hold())
	}
	os.Exit(2)
}

func contextOfChild() context.Context { return context.Background() }

// kept is where the child leaves a copy on purpose, to show that the scanner finds it.
var kept []byte

// hold is the child of TestNoKeyInMemory: it makes calls, and stops after each for its memory to be
// read.
func hold() int {
	ctx, in := contextOfChild(), bufio.NewReader(os.Stdin)
	stage := func(name string) {
		runtime.GC()
		fmt.Println("STAGE", name)
		_, _ = in.ReadString('\n')
	}
	c := awskms.New(awskms.Config{})
	for range 3 {
		made, err := c.GenerateDataKey(ctx,
			kmsclient.GenerateDataKeyInput{KeyID: "alias/app", KeySpec: kmsclient.AES256})
		if err != nil {
			fmt.Println("ERROR", err)
			return 1
		}
		fmt.Println("BLOB", base64.StdEncoding.EncodeToString(made.CiphertextBlob))
		stage("generated")
		_, err = c.Encrypt(ctx,
			kmsclient.EncryptInput{KeyID: "alias/app", Plaintext: made.Plaintext.Bytes()})
		if err != nil {
			fmt.Println("ERROR", err)
			return 1
		}
		stage("encrypted")
		if os.Getenv("ENVSEAL_TEST_LEAK") != "" {
			kept = append(kept, base64.StdEncoding.EncodeToString(made.Plaintext.Bytes())...)
			stage("leaked")
		}
		made.Plaintext.Destroy()
		opened, err := c.Decrypt(ctx,
			kmsclient.DecryptInput{KeyID: made.KeyID, CiphertextBlob: made.CiphertextBlob})
		if err != nil {
			fmt.Println("ERROR", err)
			return 1
		}
		stage("decrypted")
		opened.Plaintext.Destroy()
		stage("destroyed")
	}
	fmt.Println("END", len(kept))
	return 0
}
