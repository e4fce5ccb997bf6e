package cmd

import (
	"time"

	"github.com/envseal/envseal/kmsclient"
)

// keyMetadata gives KeyMetadata in the order of the API, without the members that do not apply to
// the key.
func keyMetadata(m kmsclient.KeyMetadata) document {
	d := document{}.add("AWSAccountId", m.AccountID).add("KeyId", m.KeyID).add("Arn", m.ARN).
		add("CreationDate", m.CreationDate).add("Enabled", m.Enabled).
		add("Description", m.Description).add("KeyUsage", m.KeyUsage).add("KeyState", m.KeyState).
		with("DeletionDate", m.DeletionDate).with("ValidTo", m.ValidTo).with("Origin", m.Origin).
		with("CustomKeyStoreId", m.CustomKeyStoreID).
		with("CloudHsmClusterId", m.CloudHSMClusterID).
		with("ExpirationModel", m.ExpirationModel).with("KeyManager", m.KeyManager).
		with("CustomerMasterKeySpec", m.KeySpec).with("KeySpec", m.KeySpec).
		with("EncryptionAlgorithms", m.Algorithms).
		with("SigningAlgorithms", m.SigningAlgorithms).
		with("KeyAgreementAlgorithms", m.AgreementAlgorithms).
		add("MultiRegion", m.MultiRegion)
	if c := m.MultiRegionConfiguration; c != nil {
		d = d.add("MultiRegionConfiguration", multiRegion(c))
	}
	return d.with("PendingDeletionWindowInDays", m.PendingDeletionWindowInDays).
		with("MacAlgorithms", m.MACAlgorithms).
		with("XksKeyConfiguration", document{}.with("Id", m.XksKeyID)).
		with("CurrentKeyMaterialId", m.CurrentKeyMaterialID)
}

func multiRegion(c *kmsclient.MultiRegionConfiguration) document {
	replicas := []any{}
	for _, k := range c.Replicas {
		replicas = append(replicas, regionKey(k))
	}
	return document{}.add("MultiRegionKeyType", c.KeyType).add("PrimaryKey", regionKey(c.Primary)).
		add("ReplicaKeys", replicas)
}

func regionKey(k kmsclient.RegionKey) document {
	return document{}.add("Arn", k.ARN).add("Region", k.Region)
}

// sampleMetadata shows in its place the name of each member.
func sampleMetadata() document {
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
