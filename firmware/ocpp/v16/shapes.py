"""The shapes of OCPP 1.6's messages, as in the official JSON schemas (draft-04), for schema.py.
Text costs one byte of heap a character and is searched in C."""

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
    "\ncore.ChangeAvailability: connectorId i type Inoperative|Operative"
    "\ncore.ChangeConfiguration: key s50 value s500"
    "\ncore.ClearCache:"
    "\nsmart_charging.ClearChargingProfile: id ?i connectorId ?i stackLevel ?i"
    " chargingProfilePurpose ?ChargePointMaxProfile|TxDefaultProfile|TxProfile"
    "\ncore.DataTransfer: vendorId s255 messageId ?s50 data ?s"
    "\nsmart_charging.GetCompositeSchedule: connectorId i duration i chargingRateUnit ?A|W"
    "\ncore.GetConfiguration: key ?*s50"
    "\nfirmware_management.GetDiagnostics: location s retries ?i retryInterval ?i"
    " startTime ?t stopTime ?t"
    "\nlocal_auth_list.GetLocalListVersion:"
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
    "\n>Authorize: idTagInfo @IdTagInfo"
    "\n>BootNotification: status Accepted|Pending|Rejected currentTime t interval i"
    "\n>DataTransfer: status Accepted|Rejected|UnknownMessageId|UnknownVendorId data ?s"
    "\n>DiagnosticsStatusNotification:"
    "\n>FirmwareStatusNotification:"
    "\n>Heartbeat: currentTime t"
    "\n>MeterValues:"
    "\n>StartTransaction: idTagInfo @IdTagInfo transactionId i"
    "\n>StatusNotification:"
    "\n>StopTransaction: idTagInfo ?@IdTagInfo"
    "\n@IdTagInfo: status Accepted|Blocked|Expired|Invalid|ConcurrentTx"
    " expiryDate ?t parentIdTag ?s20"
    "\n"
)


# Other actions of OCPP 1.6 and its security extension, either way: known, but NotSupported.
OTHERS = (
    " CertificateSigned DeleteCertificate ExtendedTriggerMessage"
    " GetInstalledCertificateIds GetLog InstallCertificate LogStatusNotification"
    " SecurityEventNotification SignCertificate"
    " SignedFirmwareStatusNotification SignedUpdateFirmware "
)
