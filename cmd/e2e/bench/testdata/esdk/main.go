// Command esdk seals or opens a file with the AWS Encryption SDK for Go, as a program to compare
// with: esdk encrypt|decrypt KEYFILE IN OUT. A raw AES keyring takes the place of KMS, so that no
// network is in the figures; the suite is the committing one without signature, and frames of 1 MiB
// are the fastest for that SDK, whose default is 4 KiB. It takes and gives whole messages in
// memory: there is no other way in its interface.
package main

import (
	"context"
	"fmt"
	"os"

	mpl "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygenerated"
	mpltypes "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygeneratedtypes"
	esdk "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygenerated"
	esdktypes "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygeneratedtypes"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: esdk encrypt|decrypt KEYFILE IN OUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "esdk:", err)
		os.Exit(1)
	}
}

func run(way, keyFile, in, out string) error {
	keyring, err := rawKeyring(keyFile)
	if err != nil {
		return err
	}
	client, err := esdk.NewClient(esdktypes.AwsEncryptionSdkConfig{})
	if err != nil {
		return err
	}
	data, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	switch way {
	case "encrypt":
		data, err = encrypt(client, keyring, data)
	case "decrypt":
		data, err = decrypt(client, keyring, data)
	default:
		err = fmt.Errorf("%q: neither encrypt nor decrypt", way)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(out, data, 0o600)
}

func rawKeyring(keyFile string) (mpltypes.IKeyring, error) {
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	providers, err := mpl.NewClient(mpltypes.MaterialProvidersConfig{})
	if err != nil {
		return nil, err
	}
	return providers.CreateRawAesKeyring(context.Background(), mpltypes.CreateRawAesKeyringInput{
		KeyName: "bench", KeyNamespace: "bench",
		WrappingAlg: mpltypes.AesWrappingAlgAlgAes256GcmIv12Tag16, WrappingKey: key,
	})
}

func encrypt(client *esdk.Client, keyring mpltypes.IKeyring, plaintext []byte) ([]byte, error) {
	suite := mpltypes.ESDKAlgorithmSuiteIdAlgAes256GcmHkdfSha512CommitKey
	frame := int64(1 << 20)
	out, err := client.Encrypt(context.Background(), esdktypes.EncryptInput{
		Plaintext: plaintext, Keyring: keyring, AlgorithmSuiteId: &suite, FrameLength: &frame,
	})
	if err != nil {
		return nil, err
	}
	return out.Ciphertext, nil
}

func decrypt(client *esdk.Client, keyring mpltypes.IKeyring, message []byte) ([]byte, error) {
	out, err := client.Decrypt(context.Background(),
		esdktypes.DecryptInput{Ciphertext: message, Keyring: keyring})
	if err != nil {
		return nil, err
	}
	return out.Plaintext, nil
}
