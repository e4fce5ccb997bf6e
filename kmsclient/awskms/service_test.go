package awskms_test

import (
	"testing"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
	"github.com/envseal/envseal/kmsclient/devserver"
	"github.com/envseal/envseal/kmsclient/kmstest"
)

// TestService runs what every key service must pass through this client, the SDK, HTTP and the development server.
func TestService(t *testing.T) {
	kmstest.Run(t, func(t *testing.T) kmsclient.Service {
		start(t, devserver.Options{})
		return awskms.New(awskms.Config{})
	}, kmstest.Capabilities{})
}
