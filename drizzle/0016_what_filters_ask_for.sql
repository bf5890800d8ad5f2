-- What filters, orders and counts ask for, in the tables that they read; names as Clerk spells them move from "user_metadata" to
-- "users", so that metadata are narrow and a new name doesn't write them. No row is written here: rows are filled a thousand at
-- a time before the next migration (`db/setup/fill-columns.ts`), while processes of the version before go on.
-- In the order in which every writer comes to them: in another, each would hold what the other waits for.
LOCK TABLE "mirror_data"."users", "mirror_data"."user_search", "mirror_data"."user_activity", "mirror_data"."user_metadata", "mirror_data"."user_identifiers";--> statement-breakpoint
ALTER TABLE "mirror_data"."user_activity" ADD COLUMN "created_at" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "mirror_data"."user_activity" ADD COLUMN "banned" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "mirror_data"."user_activity" ADD COLUMN "has_image" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "mirror_data"."user_activity" ADD COLUMN "password_enabled" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "mirror_data"."user_activity" ADD COLUMN "two_factor_enabled" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "mirror_data"."user_identifiers" ADD COLUMN "domain" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "mirror_data"."user_identifiers" ADD COLUMN "account_email" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "mirror_data"."user_metadata" ADD COLUMN "created_at" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "mirror_data"."user_search" ADD COLUMN "email_domains" text[] COLLATE "C" DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "mirror_data"."user_search" ADD COLUMN "providers" text[] COLLATE "C" DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "mirror_data"."users" ADD COLUMN "username" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "mirror_data"."users" ADD COLUMN "first_name" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "mirror_data"."users" ADD COLUMN "last_name" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "mirror_data"."users" ADD COLUMN "email_address" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "mirror_data"."users" ADD COLUMN "phone_number" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "mirror_data"."users" ADD COLUMN "web3_wallet" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "mirror_data"."users" ADD COLUMN "image_url" text COLLATE "C";--> statement-breakpoint
-- Names make rows longer: a payload that stood in its row so far shall stand there still.
ALTER TABLE "mirror_data"."users" SET (toast_tuple_target = 2304);--> statement-breakpoint
-- Without these, conditions on metadata that no index knows are expected to find the same number whatever they ask for.
ALTER TABLE "mirror_data"."user_metadata" ALTER COLUMN "public_metadata" SET STATISTICS 1000;--> statement-breakpoint
CREATE STATISTICS "mirror_data"."user_metadata_public_looked" ON ("public_metadata" #> '{}') FROM "mirror_data"."user_metadata";--> statement-breakpoint
ALTER STATISTICS "mirror_data"."user_metadata_public_looked" SET STATISTICS 1000;--> statement-breakpoint
-- All values differ, so a group for each user would be expected, and no worker would ever be asked to count. Nobody asks which are
-- equal, but what is made of them: days, plans.
ALTER TABLE "mirror_data"."user_metadata" ALTER COLUMN "public_metadata" SET (n_distinct = 100);--> statement-breakpoint
ALTER TABLE "mirror_data"."user_metadata" ALTER COLUMN "created_at" SET (n_distinct = 100);--> statement-breakpoint
ALTER TABLE "mirror_data"."user_activity" ALTER COLUMN "created_at" SET (n_distinct = 100);--> statement-breakpoint
-- The functions below make in SQL what sync/apply/derive.ts makes: for rows that are there, and for those that processes of the
-- version before still write. Once no such process can run, a later migration drops them.
--
-- As exactKey of lib/text.ts: at most 600 units of UTF-16, and U+FFFD for the half of a character that is cut.
CREATE FUNCTION "mirror_data"."exact_key"(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
	IF octet_length(value) <= 600 THEN
		RETURN value;
	END IF;
	RETURN (
		SELECT string_agg(CASE WHEN upto <= 600 THEN one ELSE E'\uFFFD' END, '' ORDER BY n)
		FROM (
			SELECT one, n, octet_length(one) = 4 AS is_pair,
				sum(CASE WHEN octet_length(one) = 4 THEN 2 ELSE 1 END) OVER (ORDER BY n) AS upto
			FROM unnest(string_to_array(left(value, 600), NULL)) WITH ORDINALITY AS characters(one, n)
		) AS counted
		WHERE upto <= 600 OR (is_pair AND upto = 601));
END $$;--> statement-breakpoint
-- As foldedKey of lib/text.ts, whatever the locale. The letters are those of which JavaScript has a lower case, of Unicode 17.
CREATE FUNCTION "mirror_data"."folded_key"(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
	IF octet_length(value) = length(value) THEN
		RETURN mirror_data.exact_key(lower(value COLLATE "C"));
	END IF;
	RETURN mirror_data.exact_key(replace(replace(translate(replace(normalize(value, NFC), E'\u0130', E'i\u0307'),
		'ABCDEFGHIJKLMNOPQRSTUVWXYZÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĲĴĶĹĻĽĿŁŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽƁƂƄƆƇƉƊƋƎƏƐƑƓƔƖƗƘƜƝƟƠƢƤƦƧƩƬƮƯƱƲƳƵƷƸƼǄǅǇǈǊǋǍǏǑǓǕǗǙǛǞǠǢǤǦǨǪǬǮǱǲǴǶǷǸǺǼǾȀȂȄȆȈȊȌȎȐȒȔȖȘȚȜȞȠȢȤȦȨȪȬȮȰȲȺȻȽȾɁɃɄɅɆɈɊɌɎͰͲͶͿΆΈΉΊΌΎΏΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫϏϘϚϜϞϠϢϤϦϨϪϬϮϴϷϹϺϽϾϿЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѶѸѺѼѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӁӃӅӇӉӋӍӐӒӔӖӘӚӜӞӠӢӤӦӨӪӬӮӰӲӴӶӸӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖႠႡႢႣႤႥႦႧႨႩႪႫႬႭႮႯႰႱႲႳႴႵႶႷႸႹႺႻႼႽႾႿჀჁჂჃჄჅჇჍᎠᎡᎢᎣᎤᎥᎦᎧᎨᎩᎪᎫᎬᎭᎮᎯᎰᎱᎲᎳᎴᎵᎶᎷᎸᎹᎺᎻᎼᎽᎾᎿᏀᏁᏂᏃᏄᏅᏆᏇᏈᏉᏊᏋᏌᏍᏎᏏᏐᏑᏒᏓᏔᏕᏖᏗᏘᏙᏚᏛᏜᏝᏞᏟᏠᏡᏢᏣᏤᏥᏦᏧᏨᏩᏪᏫᏬᏭᏮᏯᏰᏱᏲᏳᏴᏵᲉᲐᲑᲒᲓᲔᲕᲖᲗᲘᲙᲚᲛᲜᲝᲞᲟᲠᲡᲢᲣᲤᲥᲦᲧᲨᲩᲪᲫᲬᲭᲮᲯᲰᲱᲲᲳᲴᲵᲶᲷᲸᲹᲺᲽᲾᲿḀḂḄḆḈḊḌḎḐḒḔḖḘḚḜḞḠḢḤḦḨḪḬḮḰḲḴḶḸḺḼḾṀṂṄṆṈṊṌṎṐṒṔṖṘṚṜṞṠṢṤṦṨṪṬṮṰṲṴṶṸṺṼṾẀẂẄẆẈẊẌẎẐẒẔẞẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊỌỎỐỒỔỖỘỚỜỞỠỢỤỦỨỪỬỮỰỲỴỶỸỺỼỾἈἉἊἋἌἍἎἏἘἙἚἛἜἝἨἩἪἫἬἭἮἯἸἹἺἻἼἽἾἿὈὉὊὋὌὍὙὛὝὟὨὩὪὫὬὭὮὯᾈᾉᾊᾋᾌᾍᾎᾏᾘᾙᾚᾛᾜᾝᾞᾟᾨᾩᾪᾫᾬᾭᾮᾯᾸᾹᾺΆᾼῈΈῊΉῌῘῙῚΊῨῩῪΎῬῸΌῺΏῼΩKÅℲⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩⅪⅫⅬⅭⅮⅯↃⒶⒷⒸⒹⒺⒻⒼⒽⒾⒿⓀⓁⓂⓃⓄⓅⓆⓇⓈⓉⓊⓋⓌⓍⓎⓏⰀⰁⰂⰃⰄⰅⰆⰇⰈⰉⰊⰋⰌⰍⰎⰏⰐⰑⰒⰓⰔⰕⰖⰗⰘⰙⰚⰛⰜⰝⰞⰟⰠⰡⰢⰣⰤⰥⰦⰧⰨⰩⰪⰫⰬⰭⰮⰯⱠⱢⱣⱤⱧⱩⱫⱭⱮⱯⱰⱲⱵⱾⱿⲀⲂⲄⲆⲈⲊⲌⲎⲐⲒⲔⲖⲘⲚⲜⲞⲠⲢⲤⲦⲨⲪⲬⲮⲰⲲⲴⲶⲸⲺⲼⲾⳀⳂⳄⳆⳈⳊⳌⳎⳐⳒⳔⳖⳘⳚⳜⳞⳠⳢⳫⳭⳲꙀꙂꙄꙆꙈꙊꙌꙎꙐꙒꙔꙖꙘꙚꙜꙞꙠꙢꙤꙦꙨꙪꙬꚀꚂꚄꚆꚈꚊꚌꚎꚐꚒꚔꚖꚘꚚꜢꜤꜦꜨꜪꜬꜮꜲꜴꜶꜸꜺꜼꜾꝀꝂꝄꝆꝈꝊꝌꝎꝐꝒꝔꝖꝘꝚꝜꝞꝠꝢꝤꝦꝨꝪꝬꝮꝹꝻꝽꝾꞀꞂꞄꞆꞋꞍꞐꞒꞖꞘꞚꞜꞞꞠꞢꞤꞦꞨꞪꞫꞬꞭꞮꞰꞱꞲꞳꞴꞶꞸꞺꞼꞾꟀꟂꟄꟅꟆꟇꟉꟋꟌ꟎Ꟑ꟒꟔ꟖꟘꟚꟜꟵＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ𐐀𐐁𐐂𐐃𐐄𐐅𐐆𐐇𐐈𐐉𐐊𐐋𐐌𐐍𐐎𐐏𐐐𐐑𐐒𐐓𐐔𐐕𐐖𐐗𐐘𐐙𐐚𐐛𐐜𐐝𐐞𐐟𐐠𐐡𐐢𐐣𐐤𐐥𐐦𐐧𐒰𐒱𐒲𐒳𐒴𐒵𐒶𐒷𐒸𐒹𐒺𐒻𐒼𐒽𐒾𐒿𐓀𐓁𐓂𐓃𐓄𐓅𐓆𐓇𐓈𐓉𐓊𐓋𐓌𐓍𐓎𐓏𐓐𐓑𐓒𐓓𐕰𐕱𐕲𐕳𐕴𐕵𐕶𐕷𐕸𐕹𐕺𐕼𐕽𐕾𐕿𐖀𐖁𐖂𐖃𐖄𐖅𐖆𐖇𐖈𐖉𐖊𐖌𐖍𐖎𐖏𐖐𐖑𐖒𐖔𐖕𐲀𐲁𐲂𐲃𐲄𐲅𐲆𐲇𐲈𐲉𐲊𐲋𐲌𐲍𐲎𐲏𐲐𐲑𐲒𐲓𐲔𐲕𐲖𐲗𐲘𐲙𐲚𐲛𐲜𐲝𐲞𐲟𐲠𐲡𐲢𐲣𐲤𐲥𐲦𐲧𐲨𐲩𐲪𐲫𐲬𐲭𐲮𐲯𐲰𐲱𐲲𐵐𐵑𐵒𐵓𐵔𐵕𐵖𐵗𐵘𐵙𐵚𐵛𐵜𐵝𐵞𐵟𐵠𐵡𐵢𐵣𐵤𐵥𑢠𑢡𑢢𑢣𑢤𑢥𑢦𑢧𑢨𑢩𑢪𑢫𑢬𑢭𑢮𑢯𑢰𑢱𑢲𑢳𑢴𑢵𑢶𑢷𑢸𑢹𑢺𑢻𑢼𑢽𑢾𑢿𖹀𖹁𖹂𖹃𖹄𖹅𖹆𖹇𖹈𖹉𖹊𖹋𖹌𖹍𖹎𖹏𖹐𖹑𖹒𖹓𖹔𖹕𖹖𖹗𖹘𖹙𖹚𖹛𖹜𖹝𖹞𖹟𖺠𖺡𖺢𖺣𖺤𖺥𖺦𖺧𖺨𖺩𖺪𖺫𖺬𖺭𖺮𖺯𖺰𖺱𖺲𖺳𖺴𖺵𖺶𖺷𖺸𞤀𞤁𞤂𞤃𞤄𞤅𞤆𞤇𞤈𞤉𞤊𞤋𞤌𞤍𞤎𞤏𞤐𞤑𞤒𞤓𞤔𞤕𞤖𞤗𞤘𞤙𞤚𞤛𞤜𞤝𞤞𞤟𞤠𞤡',
		'abcdefghijklmnopqrstuvwxyzàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĳĵķĺļľŀłńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷÿźżžɓƃƅɔƈɖɗƌǝəɛƒɠɣɩɨƙɯɲɵơƣƥʀƨʃƭʈưʊʋƴƶʒƹƽǆǆǉǉǌǌǎǐǒǔǖǘǚǜǟǡǣǥǧǩǫǭǯǳǳǵƕƿǹǻǽǿȁȃȅȇȉȋȍȏȑȓȕȗșțȝȟƞȣȥȧȩȫȭȯȱȳⱥȼƚⱦɂƀʉʌɇɉɋɍɏͱͳͷϳάέήίόύώαβγδεζηθικλμνξοπρστυφχψωϊϋϗϙϛϝϟϡϣϥϧϩϫϭϯθϸϲϻͻͼͽѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѷѹѻѽѿҁҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӂӄӆӈӊӌӎӑӓӕӗәӛӝӟӡӣӥӧөӫӭӯӱӳӵӷӹӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆⴀⴁⴂⴃⴄⴅⴆⴇⴈⴉⴊⴋⴌⴍⴎⴏⴐⴑⴒⴓⴔⴕⴖⴗⴘⴙⴚⴛⴜⴝⴞⴟⴠⴡⴢⴣⴤⴥⴧⴭꭰꭱꭲꭳꭴꭵꭶꭷꭸꭹꭺꭻꭼꭽꭾꭿꮀꮁꮂꮃꮄꮅꮆꮇꮈꮉꮊꮋꮌꮍꮎꮏꮐꮑꮒꮓꮔꮕꮖꮗꮘꮙꮚꮛꮜꮝꮞꮟꮠꮡꮢꮣꮤꮥꮦꮧꮨꮩꮪꮫꮬꮭꮮꮯꮰꮱꮲꮳꮴꮵꮶꮷꮸꮹꮺꮻꮼꮽꮾꮿᏸᏹᏺᏻᏼᏽᲊაბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰჱჲჳჴჵჶჷჸჹჺჽჾჿḁḃḅḇḉḋḍḏḑḓḕḗḙḛḝḟḡḣḥḧḩḫḭḯḱḳḵḷḹḻḽḿṁṃṅṇṉṋṍṏṑṓṕṗṙṛṝṟṡṣṥṧṩṫṭṯṱṳṵṷṹṻṽṿẁẃẅẇẉẋẍẏẑẓẕßạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹỻỽỿἀἁἂἃἄἅἆἇἐἑἒἓἔἕἠἡἢἣἤἥἦἧἰἱἲἳἴἵἶἷὀὁὂὃὄὅὑὓὕὗὠὡὢὣὤὥὦὧᾀᾁᾂᾃᾄᾅᾆᾇᾐᾑᾒᾓᾔᾕᾖᾗᾠᾡᾢᾣᾤᾥᾦᾧᾰᾱὰάᾳὲέὴήῃῐῑὶίῠῡὺύῥὸόὼώῳωkåⅎⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅺⅻⅼⅽⅾⅿↄⓐⓑⓒⓓⓔⓕⓖⓗⓘⓙⓚⓛⓜⓝⓞⓟⓠⓡⓢⓣⓤⓥⓦⓧⓨⓩⰰⰱⰲⰳⰴⰵⰶⰷⰸⰹⰺⰻⰼⰽⰾⰿⱀⱁⱂⱃⱄⱅⱆⱇⱈⱉⱊⱋⱌⱍⱎⱏⱐⱑⱒⱓⱔⱕⱖⱗⱘⱙⱚⱛⱜⱝⱞⱟⱡɫᵽɽⱨⱪⱬɑɱɐɒⱳⱶȿɀⲁⲃⲅⲇⲉⲋⲍⲏⲑⲓⲕⲗⲙⲛⲝⲟⲡⲣⲥⲧⲩⲫⲭⲯⲱⲳⲵⲷⲹⲻⲽⲿⳁⳃⳅⳇⳉⳋⳍⳏⳑⳓⳕⳗⳙⳛⳝⳟⳡⳣⳬⳮⳳꙁꙃꙅꙇꙉꙋꙍꙏꙑꙓꙕꙗꙙꙛꙝꙟꙡꙣꙥꙧꙩꙫꙭꚁꚃꚅꚇꚉꚋꚍꚏꚑꚓꚕꚗꚙꚛꜣꜥꜧꜩꜫꜭꜯꜳꜵꜷꜹꜻꜽꜿꝁꝃꝅꝇꝉꝋꝍꝏꝑꝓꝕꝗꝙꝛꝝꝟꝡꝣꝥꝧꝩꝫꝭꝯꝺꝼᵹꝿꞁꞃꞅꞇꞌɥꞑꞓꞗꞙꞛꞝꞟꞡꞣꞥꞧꞩɦɜɡɬɪʞʇʝꭓꞵꞷꞹꞻꞽꞿꟁꟃꞔʂᶎꟈꟊɤꟍ꟏ꟑꟓꟕꟗꟙꟛƛꟶａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ𐐨𐐩𐐪𐐫𐐬𐐭𐐮𐐯𐐰𐐱𐐲𐐳𐐴𐐵𐐶𐐷𐐸𐐹𐐺𐐻𐐼𐐽𐐾𐐿𐑀𐑁𐑂𐑃𐑄𐑅𐑆𐑇𐑈𐑉𐑊𐑋𐑌𐑍𐑎𐑏𐓘𐓙𐓚𐓛𐓜𐓝𐓞𐓟𐓠𐓡𐓢𐓣𐓤𐓥𐓦𐓧𐓨𐓩𐓪𐓫𐓬𐓭𐓮𐓯𐓰𐓱𐓲𐓳𐓴𐓵𐓶𐓷𐓸𐓹𐓺𐓻𐖗𐖘𐖙𐖚𐖛𐖜𐖝𐖞𐖟𐖠𐖡𐖣𐖤𐖥𐖦𐖧𐖨𐖩𐖪𐖫𐖬𐖭𐖮𐖯𐖰𐖱𐖳𐖴𐖵𐖶𐖷𐖸𐖹𐖻𐖼𐳀𐳁𐳂𐳃𐳄𐳅𐳆𐳇𐳈𐳉𐳊𐳋𐳌𐳍𐳎𐳏𐳐𐳑𐳒𐳓𐳔𐳕𐳖𐳗𐳘𐳙𐳚𐳛𐳜𐳝𐳞𐳟𐳠𐳡𐳢𐳣𐳤𐳥𐳦𐳧𐳨𐳩𐳪𐳫𐳬𐳭𐳮𐳯𐳰𐳱𐳲𐵰𐵱𐵲𐵳𐵴𐵵𐵶𐵷𐵸𐵹𐵺𐵻𐵼𐵽𐵾𐵿𐶀𐶁𐶂𐶃𐶄𐶅𑣀𑣁𑣂𑣃𑣄𑣅𑣆𑣇𑣈𑣉𑣊𑣋𑣌𑣍𑣎𑣏𑣐𑣑𑣒𑣓𑣔𑣕𑣖𑣗𑣘𑣙𑣚𑣛𑣜𑣝𑣞𑣟𖹠𖹡𖹢𖹣𖹤𖹥𖹦𖹧𖹨𖹩𖹪𖹫𖹬𖹭𖹮𖹯𖹰𖹱𖹲𖹳𖹴𖹵𖹶𖹷𖹸𖹹𖹺𖹻𖹼𖹽𖹾𖹿𖺻𖺼𖺽𖺾𖺿𖻀𖻁𖻂𖻃𖻄𖻅𖻆𖻇𖻈𖻉𖻊𖻋𖻌𖻍𖻎𖻏𖻐𖻑𖻒𖻓𞤢𞤣𞤤𞤥𞤦𞤧𞤨𞤩𞤪𞤫𞤬𞤭𞤮𞤯𞤰𞤱𞤲𞤳𞤴𞤵𞤶𞤷𞤸𞤹𞤺𞤻𞤼𞤽𞤾𞤿𞥀𞥁𞥂𞥃'
	), E'i\u0307', 'i'), E'\u03C2', E'\u03C3'));
END $$;--> statement-breakpoint
CREATE FUNCTION "mirror_data"."objects"(list jsonb) RETURNS SETOF jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT one FROM jsonb_array_elements(CASE jsonb_typeof(list) WHEN 'array' THEN list ELSE '[]' END) AS one
	WHERE jsonb_typeof(one) = 'object'
$$;--> statement-breakpoint
-- Fills the new columns of these users and of what follows from them, and writes no row that has them already. Their rows must be
-- locked. No table may be read from end to end for it, whatever statistics say.
CREATE FUNCTION "mirror_data"."complete_users"(ids text[]) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
	WITH n AS MATERIALIZED (
		SELECT user_id, kind, value,
			CASE WHEN kind = 'email' AND strpos(folded, '@') > 0 THEN nullif(split_part(folded, '@', -1), '') END AS domain,
			CASE WHEN kind = 'account' AND jsonb_typeof(detail->'email_address') = 'string'
				THEN mirror_data.folded_key(detail->>'email_address') END AS account_email
		FROM mirror_data.user_identifiers WHERE user_id = ANY(ids) AND kind IN ('email', 'account')
	)
	UPDATE mirror_data.user_identifiers i SET domain = n.domain, account_email = n.account_email
	FROM n WHERE i.user_id = n.user_id AND i.kind = n.kind AND i.value = n.value
		AND (i.domain, i.account_email) IS DISTINCT FROM (n.domain, n.account_email);

	WITH objects AS MATERIALIZED (
		SELECT id, coalesce(payload_safe, payload)::jsonb AS o FROM mirror_data.users WHERE id = ANY(ids)
	), n AS MATERIALIZED (
		SELECT id,
			CASE jsonb_typeof(o->'username') WHEN 'string' THEN mirror_data.exact_key(o->>'username') END AS username,
			CASE jsonb_typeof(o->'first_name') WHEN 'string' THEN mirror_data.exact_key(o->>'first_name') END AS first_name,
			CASE jsonb_typeof(o->'last_name') WHEN 'string' THEN mirror_data.exact_key(o->>'last_name') END AS last_name,
			CASE jsonb_typeof(o->'image_url') WHEN 'string' THEN mirror_data.exact_key(o->>'image_url') END AS image_url,
			(SELECT mirror_data.exact_key(one->>'email_address') FROM mirror_data.objects(o->'email_addresses') AS one
				WHERE one->'id' IS NOT DISTINCT FROM o->'primary_email_address_id' AND jsonb_typeof(one->'email_address') = 'string'
				LIMIT 1) AS email_address,
			(SELECT mirror_data.exact_key(one->>'phone_number') FROM mirror_data.objects(o->'phone_numbers') AS one
				WHERE one->'id' IS NOT DISTINCT FROM o->'primary_phone_number_id' AND jsonb_typeof(one->'phone_number') = 'string'
				LIMIT 1) AS phone_number,
			(SELECT mirror_data.exact_key(one->>'web3_wallet') FROM mirror_data.objects(o->'web3_wallets') AS one
				WHERE one->'id' IS NOT DISTINCT FROM o->'primary_web3_wallet_id' AND jsonb_typeof(one->'web3_wallet') = 'string'
				LIMIT 1) AS web3_wallet,
			ARRAY(SELECT DISTINCT i.domain FROM mirror_data.user_identifiers i
				WHERE i.user_id = objects.id AND i.kind = 'email' AND i.domain IS NOT NULL ORDER BY 1) AS email_domains,
			ARRAY(SELECT DISTINCT mirror_data.exact_key(regexp_replace(one->>'provider', '^oauth_', '')) COLLATE "C"
				FROM mirror_data.objects(o->'external_accounts') AS one
				WHERE jsonb_typeof(one->'provider') = 'string' ORDER BY 1) AS providers
		FROM objects
	), named AS (
		UPDATE mirror_data.users u
		SET username = n.username, first_name = n.first_name, last_name = n.last_name, email_address = n.email_address,
			phone_number = n.phone_number, web3_wallet = n.web3_wallet, image_url = n.image_url
		FROM n WHERE u.id = n.id
			AND (u.username, u.first_name, u.last_name, u.email_address, u.phone_number, u.web3_wallet, u.image_url)
				IS DISTINCT FROM (n.username, n.first_name, n.last_name, n.email_address, n.phone_number, n.web3_wallet, n.image_url)
	)
	UPDATE mirror_data.user_search s SET email_domains = n.email_domains, providers = n.providers
	FROM n WHERE s.id = n.id AND (s.email_domains, s.providers) IS DISTINCT FROM (n.email_domains, n.providers);

	UPDATE mirror_data.user_activity a
	SET created_at = s.created_at, banned = s.banned, has_image = s.has_image, password_enabled = s.password_enabled,
		two_factor_enabled = s.two_factor_enabled
	FROM mirror_data.user_search s
	WHERE s.id = ANY(ids) AND a.id = s.id
		AND (a.created_at, a.banned, a.has_image, a.password_enabled, a.two_factor_enabled)
			IS DISTINCT FROM (s.created_at, s.banned, s.has_image, s.password_enabled, s.two_factor_enabled);

	-- What has moved is left here by nobody: a process of the version before writes it again.
	UPDATE mirror_data.user_metadata m
	SET created_at = s.created_at, username = NULL, first_name = NULL, last_name = NULL, email_address = NULL,
		phone_number = NULL, web3_wallet = NULL, image_url = NULL
	FROM mirror_data.user_search s
	WHERE s.id = ANY(ids) AND m.id = s.id AND (m.created_at <> s.created_at
		OR coalesce(m.username, m.first_name, m.last_name, m.email_address, m.phone_number, m.web3_wallet, m.image_url) IS NOT NULL);
END $$;--> statement-breakpoint
CREATE FUNCTION "mirror_data"."complete_user"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM mirror_data.complete_users(ARRAY[NEW.id]);
	RETURN NULL;
END $$;--> statement-breakpoint
-- Before the commit of a process that doesn't know the new columns. Those that do say so with each connection
-- (`db/connection/session.ts`), and all that this costs them is to look at that.
CREATE CONSTRAINT TRIGGER "users_written_by_older_processes" AFTER INSERT OR UPDATE OF "payload" ON "mirror_data"."users"
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (coalesce(nullif(current_setting('user_mirror.schema', true), ''), '0')::integer < 16)
EXECUTE FUNCTION "mirror_data"."complete_user"();--> statement-breakpoint
-- Each user has all names in one of the two tables, and none in the other.
CREATE OR REPLACE VIEW "mirror"."users" AS
SELECT s.id, s.external_id, coalesce(u.username, m.username) AS username, coalesce(u.first_name, m.first_name) AS first_name, coalesce(u.last_name, m.last_name) AS last_name,
	coalesce(u.email_address, m.email_address) AS email_address, coalesce(u.phone_number, m.phone_number) AS phone_number,
	coalesce(u.web3_wallet, m.web3_wallet) AS web3_wallet, coalesce(u.image_url, m.image_url) AS image_url, s.has_image, s.banned,
	(u.locked_until IS NOT NULL AND u.locked_until > extract(epoch FROM now()) * 1000) AS locked,
	s.password_enabled, s.two_factor_enabled,
	to_timestamp(s.created_at / 1000.0) AS created_at,
	to_timestamp(a.updated_at / 1000.0) AS updated_at,
	to_timestamp(a.last_active_at / 1000.0) AS last_active_at,
	to_timestamp(a.last_sign_in_at / 1000.0) AS last_sign_in_at,
	m.public_metadata, m.unsafe_metadata,
	CASE WHEN u.payload_safe IS NOT NULL THEN u.payload_safe::jsonb
		WHEN strpos(u.payload, '"private_metadata"') = 0 THEN u.payload::jsonb
		ELSE jsonb_build_object('id', u.id) END
	|| CASE WHEN u.time_places IS NULL THEN '{}'::jsonb
		ELSE jsonb_strip_nulls(jsonb_build_object('updated_at', u.updated_at,
			'last_active_at', u.last_active_at, 'last_sign_in_at', u.last_sign_in_at)) END AS data
FROM mirror_data.user_search s
LEFT JOIN mirror_data.users u USING (id)
LEFT JOIN mirror_data.user_activity a USING (id)
LEFT JOIN mirror_data.user_metadata m USING (id);
