"""Names that stand for a disease, a sign, an operation, a stain; single ones are in the lexicon."""

from __future__ import annotations

import re

# Diseases that go by the name of who described them. Names that are more often a patient's (Bell,
# Wilson) are left out.
DISEASES = frozenset(
    ("addison", "alzheimer", "asperger", "barrett", "behcet", "chagas", "crohn", "cushing",
     "dupuytren", "graves", "hashimoto", "hirschsprung", "hodgkin", "huntington", "kawasaki",
     "meniere", "paget", "parkinson", "peyronie", "raynaud", "sjogren", "tourette")
)  # fmt: skip
# Two names that are written together, with a space or a hyphen.
PAIRS = frozenset(
    """abt letterer|adams stokes|aicardi goutieres|albers schonberg|alport perrot|ann arbor
    |argyll robertson|arnold chiari|ashworth tardieu|astler coller|aunt jemima|austin flint
    |austin moore|bair hugger|bardet biedl|barre lieou|bassen kornzweig|beck depression
    |beckwith wiedemann|bence jones|bernard soulier|betty crocker|birt hogg|bishop koop
    |blackfan diamond|blalock taussig|bland altman|bland sutton|bland white|bloch sulzberger
    |bob builder|bosworth broome|bourneville pringle|bowditch treppe|brooke spiegler
    |brown sequard|bruce treadmill|brunner gland|bruns garland|budd chiari|burger king|burts bees
    |bush francis|byrd dew|caffey silverman|camurati engelmann|captain morgan|carney stratakis
    |caroli fontana|charcot marie|charles bonnet|charley horse|chediak higashi|cheyne stokes
    |child pugh|christ siemens|churg strauss|clark levels|cobb angle|cockcroft gault|coffin lowry
    |coffin siris|cogan reese|cori forbes|cornelia lange|cotrel dubousset|creutzfeldt jakob
    |crigler najjar|cronkhite canada|crow fukase|cruveilhier baumgarten|curious george
    |dairy queen|dandy walker|daniel tiger|danis weber|dejerine klumpke|dejerine sottas
    |denis browne|denys drash|diamond blackfan|dix hallpike|donald duck|dubin johnson
    |duke criteria|duke elder|duke treadmill|duncan hines|easter bunny|eaton lambert
    |ehlers danlos|emery dreifuss|estee lauder|fazio londe|feuerstein mims|finney seal|fitz hugh
    |fontaine rutherford|fox fordyce|franceschetti zwahlen|frank starling|freeman sheldon
    |gardner wells|gerstmann straussler|gianotti crosti|gilles tourette|glanzmann naegeli
    |glasgow coma|gold bond|goldberg shprintzen|goodman kruskal|gorlin goltz|graham little
    |graham steell|gram schmidt|graves basedow|grey goose|grey turner|guillain barre|guthrie test
    |hailey hailey|hallermann streiff|hallervorden spatz|hamman rich|hand schuller|hardy rand
    |hardy weinberg|harris benedict|harry potter|hartley dunhill|heller dor|henderson hasselbalch
    |hennebert sign|henoch schonlein|hester davis|hill rom|hill sachs|hodgkin huxley|hoehn yahr
    |holmes adie|holt oram|hosmer lemeshow|howell jolly|hunt hess|huntington hilton|hurler scheie
    |hutchinson gilford|icy hot|irish spring|isaacs mertens|ivor lewis|jack daniels|jackson pratt
    |jaffe campanacci|jaffe lichtenstein|jervell lange|jesus christ|jim beam|jimmy dean|joe camel
    |johanson blizzard|johnnie walker|johnson johnson|jose cuervo|joubert boltshauser
    |kaplan meier|kasabach merritt|kawasaki disease|kearns sayre|kellgren lawrence
    |kimmelstiel wilson|kirby bauer|klein waardenburg|kleine levin|klippel feil|klippel trenaunay
    |kluver bucy|kubler ross|kugelberg welander|lachman test|lambert eaton|langer giedion
    |langer saldino|laurence moon|lawson tait|lawton brody|legg calve|leica bond|lennox gastaut
    |leopold maneuver|lesch nyhan|leser trelat|lewis sumner|li fraumeni|libman sacks
    |little debbie|loeys dietz|lou gehrig|louis bar|louis dietz|lown ganong|lown wolf|lund mackay
    |maffucci kast|mallory denk|mallory weiss|mann whitney|mantel haenszel|marchiafava bignami
    |marcus gunn|marie bamberger|marie callender|marin amat|maroteaux lamy|martin gruber|mary kay
    |mary walker|mason likar|may grunwald|may hegglin|may thurner|mayer rokitansky
    |mccune albright|mckee farrar|meckel gruber|melkersson rosenthal|mendel mantoux|mickey mouse
    |miller abbott|miller dieker|miller fisher|mini mental|minnie mouse|mister rogers
    |modified ashworth|morel lavallee|moschowitz test|mother nature|mountain dew|munro kellie
    |murphy bed|naegeli franceschetti|newman keuls|niemann pick|nonne milroy|noonan turner
    |northway weiss|old spice|olive garden|oscar mayer|osgood schlatter|osler rendu|osler weber
    |paget schroetter|palmer dabbs|parks weber|parry romberg|parsonage turner|patau edwards
    |paterson brown|paterson kelly|paul bunnell|paw patrol|pearson spearman|pelizaeus merzbacher
    |peppa pig|peter pan|peutz jeghers|pierre robin|plummer vinson|prader labhart|prader willi
    |queens square|ramsay hunt|ramsay sedation|randall selitto|rasmussen aneurysm|red bull
    |rendu osler|richardson olmsted|riley day|rokitansky aschoff|roland morris|ronald mcdonald
    |rosai dorfman|rose bengal|rose waaler|roth spots|rothmund thomson|rubinstein taybi
    |rumack matthew|russell silver|saethre chotzen|sanger brown|santa claus|sara lee
    |schatzker moore|scheie hurler|schimmelpenning feuerstein|schmid fraccaro|schwartz jampel
    |seddon sunderland|sengstaken blakemore|senior loken|sesame street|shah waardenburg
    |sheiner tozer|shwachman diamond|silver russell|simpson angus|simpson golabi|smith lemli
    |smith magenis|smith petersen|snellen chart|spearman brown|spencer wells|stanford binet
    |steele richardson|stein leventhal|stevens johnson|stewart morel|stewart treves|still murmur
    |stokes adams|stryker frame|sturge weber|swan ganz|sweet syndrome|tamm horsfall
    |taylor spatial|teddy bear|terry thomas|thompson test|tolosa hunt|tommy john|tooth fairy
    |trader joes|treacher collins|treacher franceschetti|trendelenburg gait|turner kieser
    |uncle ben|uncle bens|uncle sam|van bogaert|van buren|van nuys|vancouver classification
    |vaughan williams|virchow robin|virgin mary|vogt koyanagi|von gierke|von hippel|von meyenburg
    |von recklinghausen|von rosen|von willebrand|wada test|waterhouse friderichsen|watson jones
    |weber christian|weber cockayne|weil felix|weill marchesani|wenckebach block|werdnig hoffmann
    |wernicke korsakoff|whipple procedure|williams beuren|williams campbell|willis ekbom
    |wilson mikity|wolf hirschhorn|wolff parkinson|wong baker|wood lamp|woods corkscrew
    |ziehl neelsen|zollinger ellison|zung depression
    """.replace("\n    ", "").split("|")
)
_TITLE = re.compile(r"(?i)\b(?:drs?|mrs?|ms|miss|prof|name|patient|pt)\b[.:]?\s{1,2}\Z")
_SOMEBODY = re.compile(
    r",? (?:\(|age )\d{1,3}\b|, \d{1,3}\b|,? (?:MRN|DOB|MD|RN)\b"
    r"| (?:is|was|has|had|says|said|denies|complains|reports|came|presents)\b"
)


def is_pair(words: str, text: str, start: int, end: int) -> bool:
    """Whether the lower-case words at ``[start, end)`` are such a pair, and nothing beside them
    says that somebody is called so."""
    if words.replace("-", " ") not in PAIRS:
        return False
    title = _TITLE.search(text, max(0, start - 12), start)
    return not (title or _SOMEBODY.match(text, end))
