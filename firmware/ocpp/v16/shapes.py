"""The shapes of OCPP 1.6's messages, as in the official JSON schemas (draft-04), for schema.py.
In the image the text stays where it is (16 bytes of heap); from files a character takes a byte."""

# One line a message, "\nmodule.Name: field kind field kind ...\n": a request, and the module of
# the version's package that has its handler, a function of that name. ">Name" is the confirmation
# to a request of ours, "@Name" an object that other lines refer to. Kinds, "?" first if optional:
#   i integer     n number     t date-time     A|B enumeration
# (The schemas want numbers to be multiples of 0.1. A limit that is none is understood all the
# same, and a refused limit is no limit: the domain rounds it down.)
#   s string      s50 string of at most 50        @Name object    *kind array of these
TABLE = (
    "\n@Profile: chargingProfileId i transactionId ?i stackLevel i"
    " chargingProfilePurpose ChargePointMaxProfile|TxDefaultProfile|TxProfile"
    " chargingProfileKind Absolute|Recurring|Relative recurrencyKind ?Daily|Weekly"
    " validFrom ?t validTo ?t chargingSchedule @Schedule"
    "\n@Schedule: duration ?i startSchedule ?t chargingRateUnit A|W minChargingRate ?n"
    " chargingSchedulePeriod *@Period"
    "\n@Period: startPeriod i limit n numberPhases ?i"
    "\nreservation.CancelReservation: reservationId i"
    "\ncertificates.CertificateSigned: certificateChain s10000"
    "\ncore.ChangeAvailability: connectorId i type Inoperative|Operative"
    "\nconfiguration.ChangeConfiguration: key s50 value s500"
    "\ncore.ClearCache:"
    "\nsmart_charging.ClearChargingProfile: id ?i connectorId ?i stackLevel ?i"
    " chargingProfilePurpose ?ChargePointMaxProfile|TxDefaultProfile|TxProfile"
    "\ncore.DataTransfer: vendorId s255 messageId ?s50 data ?s"
    "\ncertificates.DeleteCertificate: certificateHashData @Hash"
    "\n@Hash: hashAlgorithm SHA256|SHA384|SHA512 issuerNameHash s128 issuerKeyHash s128"
    " serialNumber s40"
    "\nsmart_charging.GetCompositeSchedule: connectorId i duration i chargingRateUnit ?A|W"
    "\nremote_trigger.ExtendedTriggerMessage: connectorId ?i requestedMessage BootNotification"
    "|FirmwareStatusNotification|Heartbeat|LogStatusNotification|MeterValues"
    "|SignChargePointCertificate|StatusNotification"
    "\nconfiguration.GetConfiguration: key ?*s50"
    "\nuploads.GetDiagnostics: location s retries ?i retryInterval ?i"
    " startTime ?t stopTime ?t"
    "\ncertificates.GetInstalledCertificateIds: certificateType"
    " CentralSystemRootCertificate|ManufacturerRootCertificate"
    "\nlocal_auth_list.GetLocalListVersion:"
    "\nuploads.GetLog: log @Log logType DiagnosticsLog|SecurityLog requestId i retries ?i"
    " retryInterval ?i"
    "\n@Log: remoteLocation s512 oldestTimestamp ?t latestTimestamp ?t"
    "\ncertificates.InstallCertificate: certificateType"
    " CentralSystemRootCertificate|ManufacturerRootCertificate certificate s5500"
    "\ncore.RemoteStartTransaction: connectorId ?i idTag s20 chargingProfile ?@Profile"
    "\ncore.RemoteStopTransaction: transactionId i"
    "\nreservation.ReserveNow: connectorId i expiryDate t idTag s20 parentIdTag ?s20"
    " reservationId i"
    "\ncore.Reset: type Hard|Soft"
    "\nlocal_auth_list.SendLocalList: listVersion i localAuthorizationList ?*@Authorization"
    " updateType Differential|Full"
    "\n@Authorization: idTag s20 idTagInfo ?@IdTagInfo"
    "\nsmart_charging.SetChargingProfile: connectorId i csChargingProfiles @Profile"
    "\nremote_trigger.TriggerMessage: connectorId ?i requestedMessage BootNotification"
    "|DiagnosticsStatusNotification|FirmwareStatusNotification|Heartbeat|MeterValues"
    "|StatusNotification"
    "\ncore.UnlockConnector: connectorId i"
    "\nfirmware_management.UpdateFirmware: location s retries ?i retrieveDate t retryInterval ?i"
    "\nfirmware_management.SignedUpdateFirmware: requestId i retries ?i retryInterval ?i"
    " firmware @SignedFirmware"
    "\n@SignedFirmware: location s512 retrieveDateTime t installDateTime ?t"
    " signingCertificate s5500 signature s800"
    "\n>Authorize: idTagInfo @IdTagInfo"
    "\n>BootNotification: status Accepted|Pending|Rejected currentTime t interval i"
    "\n>DataTransfer: status Accepted|Rejected|UnknownMessageId|UnknownVendorId data ?s"
    "\n>DiagnosticsStatusNotification:"
    "\n>FirmwareStatusNotification:"
    "\n>Heartbeat: currentTime t"
    "\n>LogStatusNotification:"
    "\n>MeterValues:"
    "\n>SecurityEventNotification:"
    "\n>SignCertificate: status Accepted|Rejected"
    "\n>SignedFirmwareStatusNotification:"
    "\n>StartTransaction: idTagInfo @IdTagInfo transactionId i"
    "\n>StatusNotification:"
    "\n>StopTransaction: idTagInfo ?@IdTagInfo"
    "\n@IdTagInfo: status Accepted|Blocked|Expired|Invalid|ConcurrentTx"
    " expiryDate ?t parentIdTag ?s20"
    "\n"
)


# Other actions of this version, either way, each between blanks: known, but NotSupported. Of OCPP
# 1.6 and its security extension there are none.
OTHERS = " "

# The CALLERROR codes that are this version's own (schema.py says in which order), as it spells
# them. A message of a type that it does not know is not answered (OCPP-J 1.6, 4.1.3).
CODES = "FormationViolation", "OccurenceConstraintViolation", "FormationViolation", None, None
