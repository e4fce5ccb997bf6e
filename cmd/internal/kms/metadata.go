package kms

import (
	"time"

	"github.com/envseal/envseal/cmd/internal/awscli"
	"github.com/envseal/envseal/kmsclient"
)

// keyMetadata gives KeyMetadata in the order of the API, without the members that do not apply to
// the key.
func keyMetadata(m kmsclient.KeyMetadata) awscli.Document {
	d := awscli.Document{}.Add("AWSAccountId", m.AccountID).Add("KeyId", m.KeyID).Add("Arn", m.ARN).
		Add("CreationDate", m.CreationDate).Add("Enabled", m.Enabled).
		Add("Description", m.Description).Add("KeyUsage", m.KeyUsage).Add("KeyState", m.KeyState).
		With("DeletionDate", m.DeletionDate).With("ValidTo", m.ValidTo).With("Origin", m.Origin).
		With("CustomKeyStoreId", m.CustomKeyStoreID).
		With("CloudHsmClusterId", m.CloudHSMClusterID).
		With("ExpirationModel", m.ExpirationModel).With("KeyManager", m.KeyManager).
		With("CustomerMasterKeySpec", m.KeySpec).With("KeySpec", m.KeySpec).
		With("EncryptionAlgorithms", m.Algorithms).
		With("SigningAlgorithms", m.SigningAlgorithms).
		With("KeyAgreementAlgorithms", m.AgreementAlgorithms).
		Add("MultiRegion", m.MultiRegion)
	if c := m.MultiRegionConfiguration; c != nil {
		d = d.Add("MultiRegionConfiguration", multiRegion(c))
	}
	return d.With("PendingDeletionWindowInDays", m.PendingDeletionWindowInDays).
		With("MacAlgorithms", m.MACAlgorithms).
		With("XksKeyConfiguration", awscli.Document{}.With("Id", m.XksKeyID)).
		With("CurrentKeyMaterialId", m.CurrentKeyMaterialID)
}

func multiRegion(c *kmsclient.MultiRegionConfiguration) awscli.Document {
	replicas := []any{}
	for _, k := range c.Replicas {
		replicas = append(replicas, regionKey(k))
	}
	return awscli.Document{}.Add("MultiRegionKeyType", c.KeyType).Add("PrimaryKey",
		regionKey(c.Primary)).
		Add("ReplicaKeys", replicas)
}

func regionKey(k kmsclient.RegionKey) awscli.Document {
	return awscli.Document{}.Add("Arn", k.ARN).Add("Region", k.Region)
}

// sampleMetadata shows in its place the name of each member.
func sampleMetadata() awscli.Document {
	sample := kmsclient.RegionKey{ARN: "Arn", Region: "Region"}
	return keyMetadata(kmsclient.KeyMetadata{
		AccountID: "AWSAccountId", KeyID: "KeyId", ARN: "Arn", CreationDate: time.Unix(0, 0),
		Enabled: true, Description: "Description", KeyUsage: "KeyUsage", KeyState: "KeyState",
		DeletionDate: time.Unix(0, 0), ValidTo: time.Unix(0, 0), Origin: "Origin",
		CustomKeyStoreID: "CustomKeyStoreId", CloudHSMClusterID: "CloudHsmClusterId",
		ExpirationModel: "ExpirationModel", KeyManager: "KeyManager", KeySpec: "KeySpec",
		Algorithms:          []string{"EncryptionAlgorithmSpec"},
		SigningAlgorithms:   []string{"SigningAlgorithmSpec"},
		AgreementAlgorithms: []string{"KeyAgreementAlgorithmSpec"},
		MACAlgorithms:       []string{"MacAlgorithmSpec"}, MultiRegion: true,
		MultiRegionConfiguration: &kmsclient.MultiRegionConfiguration{KeyType: "MultiRegionKeyType",
			Primary: sample, Replicas: []kmsclient.RegionKey{sample}},
		PendingDeletionWindowInDays: 1, XksKeyID: "Id", CurrentKeyMaterialID: "CurrentKeyMaterialId",
	})
}
