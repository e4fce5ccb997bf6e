package cmd

import (
	"time"

	"github.com/envseal/envseal/kmsclient"
)

// keyMetadata gives KeyMetadata in the order of the API, without the members that do not apply to the key.
func keyMetadata(m kmsclient.KeyMetadata) document {
	d := document{{"AWSAccountId", m.AccountID}, {"KeyId", m.KeyID}, {"Arn", m.ARN}, {"CreationDate", m.CreationDate},
		{"Enabled", m.Enabled}, {"Description", m.Description}, {"KeyUsage", m.KeyUsage}, {"KeyState", m.KeyState}}
	d = d.withTime("DeletionDate", m.DeletionDate).withTime("ValidTo", m.ValidTo).with("Origin", m.Origin).
		with("CustomKeyStoreId", m.CustomKeyStoreID).with("CloudHsmClusterId", m.CloudHSMClusterID).with("ExpirationModel", m.ExpirationModel).
		with("KeyManager", m.KeyManager).with("CustomerMasterKeySpec", m.KeySpec).with("KeySpec", m.KeySpec).
		withTexts("EncryptionAlgorithms", m.Algorithms).withTexts("SigningAlgorithms", m.SigningAlgorithms).
		withTexts("KeyAgreementAlgorithms", m.AgreementAlgorithms)
	d = append(d, docMember{"MultiRegion", m.MultiRegion})
	if c := m.MultiRegionConfiguration; c != nil {
		d = append(d, docMember{"MultiRegionConfiguration", multiRegion(c)})
	}
	if m.PendingDeletionWindowInDays != 0 {
		d = append(d, docMember{"PendingDeletionWindowInDays", m.PendingDeletionWindowInDays})
	}
	d = d.withTexts("MacAlgorithms", m.MACAlgorithms)
	if m.XksKeyID != "" {
		d = append(d, docMember{"XksKeyConfiguration", document{{"Id", m.XksKeyID}}})
	}
	return d.with("CurrentKeyMaterialId", m.CurrentKeyMaterialID)
}

func multiRegion(c *kmsclient.MultiRegionConfiguration) document {
	replicas := []any{}
	for _, k := range c.Replicas {
		replicas = append(replicas, regionKey(k))
	}
	return document{{"MultiRegionKeyType", c.KeyType}, {"PrimaryKey", regionKey(c.Primary)}, {"ReplicaKeys", replicas}}
}

func regionKey(k kmsclient.RegionKey) document {
	return document{{"Arn", k.ARN}, {"Region", k.Region}}
}

// withTime appends a time that is left out where it is zero.
func (d document) withTime(name string, t time.Time) document {
	if t.IsZero() {
		return d
	}
	return append(d, docMember{name, t})
}

// withTexts appends a list that is left out where it is empty.
func (d document) withTexts(name string, list []string) document {
	if len(list) == 0 {
		return d
	}
	return append(d, docMember{name, list})
}

// sampleMetadata shows in its place the name of each member.
var sampleMetadata = kmsclient.KeyMetadata{
	AccountID: "AWSAccountId", KeyID: "KeyId", ARN: "Arn", CreationDate: time.Unix(0, 0), Enabled: true, Description: "Description", KeyUsage: "KeyUsage",
	KeyState: "KeyState", DeletionDate: time.Unix(0, 0), ValidTo: time.Unix(0, 0), Origin: "Origin", CustomKeyStoreID: "CustomKeyStoreId",
	CloudHSMClusterID: "CloudHsmClusterId", ExpirationModel: "ExpirationModel", KeyManager: "KeyManager", KeySpec: "KeySpec",
	Algorithms: []string{"EncryptionAlgorithmSpec"}, SigningAlgorithms: []string{"SigningAlgorithmSpec"},
	AgreementAlgorithms: []string{"KeyAgreementAlgorithmSpec"}, MACAlgorithms: []string{"MacAlgorithmSpec"}, MultiRegion: true,
	MultiRegionConfiguration: &kmsclient.MultiRegionConfiguration{KeyType: "MultiRegionKeyType", Primary: kmsclient.RegionKey{ARN: "Arn", Region: "Region"},
		Replicas: []kmsclient.RegionKey{{ARN: "Arn", Region: "Region"}}},
	PendingDeletionWindowInDays: 1, XksKeyID: "Id", CurrentKeyMaterialID: "CurrentKeyMaterialId",
}
