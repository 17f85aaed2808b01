"""The general fields and how business mail labels them, by language. Pure data.

Spellings of case, accents, hyphens and of "No.", "Nr.", "N°", "#" for "number" need no entry of their own.
"""

#: Field → (type, language → labels with commas between them).
#: A label's language tells how its dates and amounts are written.
_FIELDS: dict[str, tuple[str, dict[str, str]]] = {
    "reference": (
        "reference",
        {
            "en": (
                "reference, reference number, ref, ref number, our ref, our reference, your ref, your reference, case "
                "number, case id, ticket, ticket number, ticket id, file number, submission number"
            ),
            "de": (
                "Referenz, Referenznummer, Aktenzeichen, Az, Zeichen, Unser Zeichen, Ihr Zeichen, Vorgangsnummer, "
                "Vorgang, Geschäftszeichen, Unsere Referenz, Ihre Referenz, Fallnummer"
            ),
            "fr": (
                "référence, réf, notre référence, nos réf, votre référence, vos réf, numéro de dossier, dossier, "
                "dossier numéro, n/réf, v/réf"
            ),
            "es": (
                "referencia, número de referencia, nuestra referencia, su referencia, número de expediente, expediente"
            ),
            "it": "riferimento, numero di riferimento, rif, numero pratica, pratica",
            "nl": "referentie, referentienummer, kenmerk, ons kenmerk, uw kenmerk, dossiernummer, zaaknummer",
            "cs": "číslo poptávky, číslo jednací",
            "ja": "見積番号, 参照番号",
        },
    ),
    "policy_number": (
        "reference",
        {
            "en": (
                "policy, policy number, policy id, policy reference, policy ref, pol number, certificate number, "
                "contract number"
            ),
            "de": (
                "Police, Policennummer, Policen Nr, Police Nr, Versicherungsschein, Versicherungsscheinnummer, "
                "Versicherungsnummer, Versicherungsschein Nr, Vertragsnummer, Vertrags Nr, VSNR, Polizzennummer, "
                "Polizze, Polizzen Nr"
            ),
            "fr": "police, numéro de police, police numéro, numéro de contrat, contrat numéro",
            "es": "póliza, número de póliza, póliza número, número de contrato",
            "it": "polizza, numero di polizza, numero polizza, polizza numero, numero contratto",
            "nl": "polis, polisnummer, contractnummer",
            "pl": "numer polisy, nr polisy",
            "cs": "číslo smlouvy, číslo pojistné smlouvy",
            "he": "מספר פוליסה",
            "ar": "رقم الوثيقة",
            "ja": "証券番号",
        },
    ),
    "claim_number": (
        "reference",
        {
            "en": "claim, claim number, claim id, claim reference, claim ref, claims number, loss number",
            "de": "Schaden, Schadennummer, Schaden Nr, Schadensnummer, Schadens Nr, Schadenfall, Schadenfallnummer",
            "fr": "sinistre, numéro de sinistre, sinistre numéro, référence sinistre, numéro du sinistre",
            "es": "siniestro, número de siniestro, número del siniestro, siniestro número",
            "it": "sinistro, numero di sinistro, numero sinistro, sinistro numero",
            "nl": "schade, schadenummer, claimnummer",
        },
    ),
    "order_number": (
        "reference",
        {
            "en": (
                "order, order number, order id, order reference, order ref, purchase order, purchase order number, po "
                "number, po"
            ),
            "de": (
                "Bestellung, Bestellnummer, Bestell Nr, Bestellungsnummer, Auftrag, Auftragsnummer, Auftrags Nr, "
                "Auftragsnr"
            ),
            "fr": "commande, numéro de commande, commande numéro, bon de commande, bon de commande numéro",
            "es": "pedido, número de pedido, pedido número, número del pedido, orden de compra",
            "it": "ordine, numero ordine, numero d'ordine, numero di ordine, ordine numero",
            "nl": "bestelling, bestelnummer, ordernummer, bestellingsnummer, inkoopordernummer",
            "pl": "numer zamówienia, nr zamówienia, zamówienie numer, zamówienie nr",
            "cs": "číslo objednávky, objednávka číslo",
            "he": "מספר הזמנה",
            "ar": "رقم الطلب, رقم أمر الشراء",
            "ja": "注文番号",
        },
    ),
    "invoice_number": (
        "reference",
        {
            "en": "invoice, invoice number, invoice id, inv number, bill number",
            "de": "Rechnung, Rechnungsnummer, Rechnungs Nr, Rechnung Nr, Re Nr, Faktura Nr",
            "fr": "facture, numéro de facture, facture numéro",
            "es": "factura, número de factura, factura número",
            "it": "fattura, numero fattura, numero di fattura, fattura numero",
            "nl": "factuur, factuurnummer",
            "pl": "numer faktury, nr faktury",
            "cs": "číslo faktury",
            "ar": "رقم الفاتورة",
            "ja": "請求書番号",
        },
    ),
    "customer_number": (
        "reference",
        {
            "en": "customer number, customer id, client number, client id, account number, member number, member id",
            "de": "Kundennummer, Kunden Nr, Mitgliedsnummer, Partnernummer, Kd Nr",
            "fr": "numéro de client, numéro client, client numéro, code client",
            "es": "número de cliente, cliente número, código de cliente",
            "it": "codice cliente, numero cliente",
            "nl": "klantnummer, relatienummer",
        },
    ),
    "name": (
        "name",
        {
            "en": "name, full name, contact name, contact person, contact, your name",
            "de": (
                "Name, Vor und Nachname, Vorname und Nachname, Ansprechpartner, Ansprechpartnerin, Kontaktperson, "
                "Vollständiger Name"
            ),
            "fr": "nom, nom complet, nom et prénom, prénom et nom, personne de contact, interlocuteur",
            "es": "nombre, nombre completo, nombre y apellidos, persona de contacto",
            "it": "nome, nome e cognome, nominativo, persona di contatto, referente",
            "nl": "naam, volledige naam, contactpersoon",
        },
    ),
    "insured": (
        "name",
        {
            "en": (
                "insured, insured name, name of insured, name of the insured, named insured, policyholder, policy "
                "holder, policyholder name, claimant, claimant name, assured"
            ),
            "de": (
                "Versicherungsnehmer, Versicherungsnehmerin, Versicherter, Versicherte Person, VN, Anspruchsteller, "
                "Geschädigter"
            ),
            "fr": "assuré, assurée, nom de l'assuré, preneur d'assurance, souscripteur, titulaire du contrat",
            "es": "asegurado, asegurada, nombre del asegurado, tomador, tomador del seguro",
            "it": "assicurato, contraente, nome assicurato",
            "nl": "verzekerde, verzekeringnemer, naam verzekerde",
            "he": "שם המבוטח",
        },
    ),
    "customer": (
        "name",
        {
            "en": "customer, customer name, client, client name, buyer, bill to, sold to",
            "de": "Kunde, Kundin, Kundenname, Auftraggeber, Besteller, Rechnungsempfänger",
            "fr": "client, nom du client, cliente, acheteur",
            "es": "cliente, nombre del cliente, comprador",
            "it": "cliente, nome cliente",
            "nl": "klant, klantnaam, naam klant, opdrachtgever",
        },
    ),
    "company": (
        "name",
        {
            "en": "company, company name, organisation, organization, supplier, vendor, broker, carrier",
            "de": "Firma, Firmenname, Unternehmen, Lieferant, Makler",
            "fr": "société, entreprise, raison sociale, fournisseur, courtier",
            "es": "empresa, razón social, compañía, proveedor, corredor",
            "it": "società, azienda, ragione sociale, fornitore",
            "nl": "bedrijf, bedrijfsnaam, leverancier",
        },
    ),
    "effective_date": (
        "date",
        {
            "en": (
                "effective date, effective, inception date, inception, start date, policy start, policy effective "
                "date, valid from"
            ),
            "de": "Versicherungsbeginn, Vertragsbeginn, Beginn, Gültig ab, Wirksam ab, Startdatum",
            "fr": "date d'effet, date d'entrée en vigueur, date de début, début de contrat, valable à partir du",
            "es": "fecha de efecto, fecha de inicio, fecha efectiva, vigencia desde, válido desde",
            "it": "data di decorrenza, decorrenza, data di inizio, data inizio, data effetto",
            "nl": "ingangsdatum, startdatum, begindatum, geldig vanaf",
        },
    ),
    "expiry_date": (
        "date",
        {
            "en": "expiry date, expiration date, expiry, expiration, end date, valid until, renewal date, expires",
            "de": "Ablaufdatum, Ablauf, Vertragsende, Gültig bis, Enddatum, Versicherungsende",
            "fr": "date d'expiration, date de fin, valable jusqu'au",
            "es": "fecha de expiración, fecha de caducidad, fecha de fin, válido hasta, vigencia hasta",
            "it": "data di fine, valido fino al",
            "nl": "einddatum, vervaldatum polis, geldig tot",
        },
    ),
    "loss_date": (
        "date",
        {
            "en": (
                "date of loss, loss date, dol, incident date, date of incident, accident date, date of accident, date "
                "of damage"
            ),
            "de": (
                "Schadendatum, Schadensdatum, Schadentag, Schadenstag, Unfalldatum, Unfalltag, Ereignisdatum, Datum "
                "des Schadens"
            ),
            "fr": "date du sinistre, date de sinistre, date de l'accident, date de survenance",
            "es": "fecha del siniestro, fecha de siniestro, fecha del accidente, fecha de ocurrencia",
            "it": "data del sinistro, data sinistro, data dell'incidente",
            "nl": "schadedatum, datum schade, datum van schade, datum ongeval",
            "he": "תאריך האירוע",
        },
    ),
    "due_date": (
        "date",
        {
            "en": "due date, due, payment due, payment due date, due on, due by, payable by",
            "de": "Fälligkeitsdatum, Fällig am, Fällig, Fälligkeit, Zahlbar bis, Zahlungsziel",
            "fr": "date d'échéance, échéance, à payer avant le, date limite de paiement",
            "es": "fecha de vencimiento, vencimiento, pagar antes del",
            "it": "data di scadenza, scadenza, data scadenza",
            "nl": "vervaldatum, te betalen voor, uiterste betaaldatum",
        },
    ),
    "deadline": (
        "date",
        {
            "en": (
                "deadline, respond by, reply by, response due, needed by, required by, closing date, submission "
                "deadline"
            ),
            "de": "Frist, Abgabefrist, Stichtag, Antwort bis, Einreichungsfrist, Termin, Rückmeldung bis",
            "fr": "date limite, délai, date butoir, réponse avant le, date limite de réponse",
            "es": "fecha límite, plazo, plazo límite",
            "it": "termine, data limite, termine ultimo",
            "nl": "uiterste datum, termijn, reageren voor",
        },
    ),
    "delivery_date": (
        "date",
        {
            "en": (
                "delivery date, ship date, shipping date, date of delivery, expected delivery, requested delivery date"
            ),
            "de": "Lieferdatum, Liefertermin, Versanddatum, Wunschtermin",
            "fr": "date de livraison, livraison prévue, date d'expédition",
            "es": "fecha de entrega, fecha de envío",
            "it": "data di consegna, data consegna",
            "nl": "leverdatum, bezorgdatum",
            "pl": "data dostawy",
            "cs": "termín dodání, datum dodání",
            "ar": "تاريخ التسليم",
            "ja": "希望納期, 納期",
        },
    ),
    "date": (
        "date",
        {
            "en": "date, invoice date, order date, date of invoice, date of order, issue date",
            "de": "Datum, Rechnungsdatum, Bestelldatum, Auftragsdatum, Ausstellungsdatum",
            "fr": (
                "date de facture, date de la facture, date de facturation, date de commande, date de la commande, "
                "date d'émission"
            ),
            "es": "fecha, fecha de factura, fecha de emisión, fecha de pedido, fecha del pedido",
            "it": "data, data fattura, data ordine, data di emissione",
            "nl": "factuurdatum, besteldatum, orderdatum",
        },
    ),
    "amount": (
        "money",
        {
            "en": (
                "amount, sum, price, amount claimed, claim amount, claimed amount, loss amount, estimated loss, "
                "estimate, sum insured, cost, estimated cost, value, payment amount"
            ),
            "de": (
                "Betrag, Summe, Preis, Schadenhöhe, Schadenshöhe, Schadensumme, Versicherungssumme, Kosten, "
                "Forderung, Zahlbetrag, Höhe des Schadens, Wert"
            ),
            "fr": "montant, prix, somme, montant du sinistre, montant estimé, coût, somme assurée, montant à payer",
            "es": (
                "importe, monto, cantidad a pagar, precio, coste, suma asegurada, valor, importe reclamado, importe "
                "estimado, importe de los daños, valoración"
            ),
            "it": "importo, prezzo, somma, costo, importo da pagare, valore, importo stimato",
            "nl": "bedrag, prijs, schadebedrag, kosten, te betalen bedrag, waarde, geschat bedrag",
            "pl": "kwota, wartość, cena, szacowana kwota",
            "cs": "částka, cena, hodnota, maximální cena, odhadovaná částka",
        },
    ),
    "total": (
        "money",
        {
            "en": (
                "total, grand total, total amount, amount due, total due, order total, invoice total, balance due, "
                "total amount due, total price"
            ),
            "de": (
                "Gesamtbetrag, Gesamtsumme, Gesamt, Rechnungsbetrag, Endbetrag, Gesamtpreis, Bruttobetrag, Summe "
                "brutto, Rechnungssumme"
            ),
            "fr": "total, montant total, total TTC, total à payer, net à payer, montant TTC, prix total",
            "es": "total, importe total, total a pagar, monto total, total factura, precio total",
            "it": "totale, importo totale, totale fattura, totale da pagare, prezzo totale",
            "nl": "totaal, totaalbedrag, totaal bedrag, factuurbedrag, totaalprijs",
            "ar": "المبلغ الإجمالي",
            "ja": "合計, 合計金額",
        },
    ),
    "premium": (
        "money",
        {
            "en": "premium, annual premium, total premium, premium due, gross premium, net premium",
            "de": "Prämie, Jahresprämie, Beitrag, Jahresbeitrag, Versicherungsbeitrag, Bruttoprämie, Nettoprämie",
            "fr": "prime, prime annuelle, cotisation, cotisation annuelle, prime TTC",
            "es": "prima, prima anual, prima total",
            "it": "premio, premio annuo, premio totale",
            "nl": "premie, jaarpremie",
        },
    ),
    "deductible": (
        "money",
        {
            "en": "deductible, excess, policy excess, retention, self insured retention",
            "de": "Selbstbehalt, Selbstbeteiligung, Eigenanteil",
            "fr": "franchise, montant de la franchise",
            "es": "franquicia, deducible",
            "it": "franchigia, scoperto",
            "nl": "eigen risico",
        },
    ),
    "phone": (
        "phone",
        {
            "en": (
                "phone, phone number, telephone, telephone number, tel, mobile, mobile number, cell, cell phone, "
                "contact number, direct, call back number, contact phone"
            ),
            "de": (
                "Telefon, Telefonnummer, Tel Nr, Mobil, Mobilnummer, Handy, Handynummer, Fon, Durchwahl, Rückrufnummer"
            ),
            "fr": "téléphone, numéro de téléphone, tél, portable, mobile",
            "es": "teléfono, número de teléfono, móvil, celular, teléfono móvil",
            "it": "telefono, numero di telefono, cellulare",
            "he": "טלפון",
            "ar": "الهاتف",
            "ja": "電話, 電話番号",
            "nl": "telefoon, telefoonnummer, mobiel",
        },
    ),
    "email": (
        "email",
        {
            "en": "email, e-mail, email address, e-mail address, contact email, mail, reply email",
            "de": "E-Mail-Adresse, Mailadresse, Emailadresse, E-Mail",
            "fr": "adresse e-mail, courriel, adresse email, adresse électronique, mél",
            "es": "correo electrónico, correo, dirección de correo",
            "it": "posta elettronica, indirizzo e-mail, indirizzo email",
            "nl": "e-mailadres, mailadres",
        },
    ),
    "address": (
        "text",
        {
            "en": (
                "address, postal address, street address, mailing address, risk address, location of loss, loss "
                "location, property address, shipping address, delivery address, billing address, ship to"
            ),
            "de": (
                "Adresse, Anschrift, Postanschrift, Lieferadresse, Lieferanschrift, Rechnungsadresse, Schadenort, "
                "Risikoort"
            ),
            "fr": (
                "adresse, adresse postale, adresse de livraison, adresse du risque, lieu du sinistre, adresse de "
                "facturation"
            ),
            "es": (
                "dirección, domicilio, dirección postal, dirección de entrega, lugar del siniestro, dirección de envío"
            ),
            "it": "indirizzo, indirizzo di consegna, indirizzo postale, luogo del sinistro",
            "nl": "adres, postadres, afleveradres, bezorgadres, factuuradres",
        },
    ),
}
#: Field → (type, language → labels).
GENERAL_FIELDS: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    name: (kind, {language: tuple(labels.split(", ")) for language, labels in by_language.items()})
    for name, (kind, by_language) in _FIELDS.items()
}

#: Languages whose numeric dates run day, month, year. English writes both orders.
DAY_FIRST = frozenset({"de", "fr", "es", "it", "nl", "pl", "cs", "he", "ar"})
#: Languages that write the decimal mark as a comma.
DECIMAL_COMMA = frozenset({"de", "fr", "es", "it", "nl", "pl", "cs"})
#: Frequent small words that tell the language of a text.
SMALL_WORDS: dict[str, str] = {
    word: language
    for language, words in {
        "en": "the and of to you your please with this we are have for from is our would",
        "de": "der die das und ist nicht ich wir sie mit bitte den dem fur von zu ein eine unser ihre",
        "fr": "le les et est nous vous votre notre pour avec dans sur une des ci je merci cordialement au",
        "es": "el los las y usted con para por su nuestro una del adjunto gracias saludos hemos",
        "it": "il gli che per con una della di nostro vostro grazie cordiali sono",
        "nl": "het een van en niet wij met voor uw graag bij onze zijn ik",
    }.items()
    for word in words.split()
}
